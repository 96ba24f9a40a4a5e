//! `secret edit`: no file on disk, what an editor adds, and what somebody else changed meanwhile.

use crate::support::{Home, Run};

fn set(home: &Home, value: &str) {
    home.run_with_input(&["secret", "set", "s", "--stdin"], value.as_bytes())
        .succeeds();
}

fn get(home: &Home, name: &str) -> String {
    home.run(&["secret", "get", name]).succeeds().stdout
}

/// Edits the secret with an editor that is this shell script.
fn edit(home: &Home, script: &str) -> Run {
    let editor = home.script("editor", script);
    let mut command = home.command(&["secret", "edit", "s"]);
    command.env("EDITOR", editor);
    Run::of(command)
}

#[test]
fn a_secret_is_edited_without_a_file_on_disk() {
    let home = Home::signed_in();
    set(&home, "before");
    edit(
        &home,
        "test \"$(cat \"$1\")\" = before && stat -L -c %h:%a \"$1\" >&2 && printf after >\"$1\"",
    )
    .succeeds();
    assert_eq!(get(&home, "s"), "after");
    edit(&home, "exit 3").refuses(1, "nothing was changed");
    edit(&home, "printf '' >\"$1\"").refuses(3, "empty");
    edit(&home, "true").succeeds();
    assert_eq!(get(&home, "s"), "after");
}

#[test]
fn the_line_end_that_an_editor_adds_is_not_part_of_the_value() {
    let home = Home::signed_in();
    set(&home, "before");
    let unchanged = edit(&home, "echo >>\"$1\"").succeeds();
    assert!(unchanged.stderr.contains("is unchanged"), "{unchanged:?}");
    edit(&home, "printf 'after\\r\\n' >\"$1\"").succeeds();
    assert_eq!(get(&home, "s"), "after");
    // A key file in place of one line needs its last line end.
    edit(&home, "printf 'two\\nlines\\n' >\"$1\"").succeeds();
    assert_eq!(get(&home, "s"), "two\nlines\n");
    edit(&home, "printf 'three\\n' >\"$1\"").succeeds();
    assert_eq!(get(&home, "s"), "three\n");
    set(&home, "two\nlines");
    edit(&home, "echo >>\"$1\"").succeeds();
    assert_eq!(get(&home, "s"), "two\nlines");
}

#[test]
fn an_edit_does_not_replace_what_was_set_meanwhile() {
    let home = Home::signed_in();
    set(&home, "before");
    let meanwhile = "printf newer | $NIGHTLATCH secret set s --stdin && printf mine >\"$1\"";
    for beside in ["s.edited", "s.edited-2"] {
        let refused = edit(&home, meanwhile);
        assert_eq!(refused.code, 1, "{refused:?}");
        let said = format!("changed or removed meanwhile; what you edited is kept as {beside}");
        assert!(refused.stderr.contains(&said), "{refused:?}");
        assert_eq!(get(&home, "s"), "newer");
        assert_eq!(get(&home, beside), "mine");
        set(&home, "before");
    }
}

#[test]
fn an_edit_does_not_bring_back_what_was_removed_meanwhile() {
    let home = Home::signed_in();
    set(&home, "before");
    let script = "$NIGHTLATCH secret rm s --yes && printf mine >\"$1\"";
    let refused = edit(&home, script);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("kept as s.edited"), "{refused:?}");
    home.run(&["secret", "get", "s"]).refuses(3, "no secret");
    assert_eq!(get(&home, "s.edited"), "mine");
}
