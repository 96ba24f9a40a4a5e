//! The appearance of output: the width of tables, local times, and colour.

use unicode_width::UnicodeWidthStr;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

/// A home whose log has entries of every width.
fn eventful() -> Home {
    let home = Home::registered();
    let long = "someone.with.a.very.long.name.indeed@mail.department.example.com";
    home.register_another(long, OTHER_PASSWORD).succeeds();
    home.login(&["alice@example.com"]).succeeds();
    home.run_with_input(&["login", EMAIL, "--password-stdin"], b"wrong")
        .ends_with(5);
    home.login(&["alice@example.com"]).succeeds();
    home.run(&["exec", "--", "true"]).succeeds();
    home
}

/// The program's output on a terminal of this many columns, by line.
fn on_terminal(home: &Home, columns: u16, arguments: &[&str]) -> Vec<String> {
    let mut command = home.command(arguments);
    command.env("LC_ALL", "C.UTF-8");
    let (text, status) = Pty::spawn_wide(command, columns).finish();
    assert!(status.success(), "{text}");
    let text = anstream::adapter::strip_str(&text).to_string();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn tables_fit_a_terminal_of_40_80_and_200_columns() {
    let home = eventful();
    for arguments in [
        &["audit", "list"][..],
        &["audit", "list", "--failed"],
        &["audit", "stats"],
    ] {
        for columns in [40, 80, 200] {
            let lines = on_terminal(&home, columns, arguments);
            assert!(lines.len() > 1, "{lines:?}");
            for line in &lines {
                assert!(
                    line.width() <= columns.into(),
                    "{arguments:?} at {columns}: {line:?}"
                );
            }
        }
    }
}

#[test]
fn a_narrow_table_keeps_what_matters_and_a_wide_one_has_all_of_it() {
    let home = eventful();
    let list = |columns| on_terminal(&home, columns, &["audit", "list"]).join("\n");
    let narrow = list(40);
    for shown in ["SEQ", "EVENT", "SESSION_TERMINATED", "FAIL", "ok"] {
        assert!(narrow.contains(shown), "{narrow}");
    }
    assert!(!narrow.contains("DETAILS"), "{narrow}");
    let usual = list(80);
    for shown in [EMAIL, "DETAILS", "…"] {
        assert!(usual.contains(shown), "{usual}");
    }
    assert!(!usual.contains("TTY"), "{usual}");
    let wide = list(200);
    assert!(wide.contains("TTY") && wide.contains("reason="), "{wide}");
    assert!(wide.contains("someone.with.a.very.long.name.indeed@mail.department.example.com"));
}

#[test]
fn a_table_that_is_piped_has_all_of_it_however_wide() {
    let home = eventful();
    let table = home.run(&["audit", "list"]).succeeds().stdout;
    assert!(!table.contains('…') && !table.contains('~'), "{table}");
    assert!(!table.contains("argv_digest="), "{table}");
    let wide = home.run(&["audit", "list", "--wide"]).succeeds().stdout;
    for id in ["argv_digest=", "exec_id="] {
        assert_eq!(wide.matches(id).count(), 1, "{wide}");
    }
    assert!(table.contains("someone.with.a.very.long.name.indeed@mail.department.example.com"));
}

#[test]
fn people_see_their_own_time_and_programs_utc() {
    let home = Home::signed_in();
    let seen = |zone: &str, arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("TZ", zone);
        Run::of(command).succeeds().stdout
    };
    let since = home.status()["created_at"].as_str().unwrap().to_owned();
    let day_and_hour = |offset: i64| {
        let hour: i64 = since[11..13].parse().unwrap();
        let minute: i64 = since[14..16].parse().unwrap();
        let minutes = (hour * 60 + minute + offset).rem_euclid(24 * 60);
        format!(
            " {:02}:{:02}:{}",
            minutes / 60,
            minutes % 60,
            &since[17..19]
        )
    };
    for (zone, offset, shown) in [
        ("Asia/Kolkata", 330, "+05:30"),
        ("XYZ-5:45", 345, "+05:45"),
        ("<-03>3", -180, "-03:00"),
        (":Asia/Tokyo", 540, "+09:00"),
        ("UTC", 0, "+00:00"),
        // An invalid zone means UTC, and the offset shows it.
        ("Nowhere/At_All", 0, "+00:00"),
        ("/etc/passwd", 0, "+00:00"),
        ("\u{1b}[31m", 0, "+00:00"),
    ] {
        let local = format!("{} {shown}", day_and_hour(offset));
        for arguments in [&["status"][..], &["audit", "list"]] {
            let text = seen(zone, arguments);
            assert!(text.contains(&local), "{zone:?}: no {local:?} in {text}");
        }
        let text = seen(zone, &["audit", "stats"]);
        assert!(
            text.contains(shown) && text.contains("By hour (UTC)"),
            "{text}"
        );
        let json = seen(zone, &["status", "--json"]);
        assert!(json.contains(&since) && !json.contains(shown), "{json}");
        let csv = seen(zone, &["audit", "list", "--format", "csv"]);
        assert!(csv.contains(&since[..16]) && !csv.contains(shown), "{csv}");
    }
}

/// The output of `arguments` with these variables, on both streams.
fn with(home: &Home, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = home.command(arguments);
    command.envs(variables.iter().copied());
    let (text, _) = Pty::spawn(command).finish();
    text
}

#[test]
fn colour_is_for_terminals_and_not_where_it_is_not_wanted() {
    let home = Home::signed_in();
    let commands: [&[&str]; 5] = [
        &["status"],
        &["--help"],
        &["status", "--nonsense"],
        &[],
        &["-v", "extend"],
    ];
    for arguments in commands {
        for variables in [
            &[("NO_COLOR", "1")][..],
            &[("TERM", "dumb")],
            &[("CLICOLOR", "0")],
        ] {
            let text = with(&home, variables, arguments);
            assert!(
                !text.contains('\u{1b}'),
                "{variables:?} {arguments:?}: {text:?}"
            );
            assert!(!text.is_empty(), "{arguments:?}");
        }
    }
    for arguments in [&["status"][..], &["--help"], &["-v", "extend"]] {
        let text = with(&home, &[], arguments);
        assert!(text.contains("\u{1b}["), "{arguments:?}: {text:?}");
    }
}

#[test]
fn piped_output_has_colour_only_when_it_is_forced() {
    let home = Home::signed_in();
    for arguments in [&["status"][..], &["--help"]] {
        let plain = home.run(arguments).succeeds().stdout;
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let mut command = home.command(arguments);
        command.env("CLICOLOR_FORCE", "1");
        let forced = Run::of(command).succeeds().stdout;
        assert!(forced.contains("\u{1b}["), "{forced:?}");
        let mut command = home.command(arguments);
        command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
        let both = Run::of(command).succeeds().stdout;
        assert_eq!(both, plain, "NO_COLOR goes before what forces it");
    }
}

/// The output of `audit` on a terminal of this many lines, with this pager.
fn paged(home: &Home, lines: u16, pager: &str, more: &[&str]) -> String {
    let script = format!(
        "stty rows {lines}; exec \"$NIGHTLATCH\" audit {}",
        more.join(" ")
    );
    let mut command = home.shell(&script);
    command.env("NIGHTLATCH_PAGER", pager);
    Pty::spawn(command).finish().0
}

#[test]
fn more_than_a_screen_goes_through_the_pager_and_less_does_not() {
    let home = eventful();
    let pager = "sh -c 'cat; echo through \"the pager\"'";
    let shown = |lines, more: &[&str]| paged(&home, lines, pager, more);
    let long = shown(5, &[]);
    assert!(
        long.contains("LOGIN_FAILURE") && long.contains("through the pager"),
        "{long}"
    );
    assert!(!shown(5, &["--no-pager"]).contains("through"));
    assert!(!shown(500, &[]).contains("through"));
    assert!(!shown(5, &["--format", "jsonl"]).contains("through"));
    // If the pager cannot be started, a message says so and the table is printed.
    let without = paged(&home, 5, "/nonexistent/pager", &[]);
    assert!(
        without.contains("cannot start the pager") && without.contains("LOGIN_FAILURE"),
        "{without}"
    );
    // A pager that reads nothing is not an error.
    assert!(!paged(&home, 5, "true", &[]).contains("nightlatch:"));
}

#[test]
fn following_prints_its_headings_once() {
    let home = Home::registered();
    let mut pty = Pty::spawn(home.command(&["audit", "--follow"]));
    let first = pty.expect("AUDIT_READ");
    home.login(&[]).succeeds();
    let rest = pty.expect("SESSION_CREATED");
    assert_eq!(first.matches("DETAILS").count(), 1, "{first}");
    assert_eq!(rest.matches("DETAILS").count(), 0, "{rest}");
}

#[test]
fn signs_are_ascii_where_the_locale_has_no_more() {
    let home = Home::registered();
    let said = |locale: &str, script: &str| {
        let mut command = home.shell(&format!("exec 2>&1; {script} || test $? = 4"));
        command.env("LC_ALL", locale);
        Run::of(command).succeeds().stdout
    };
    let login = format!("printf %s '{PASSWORD}' | $NIGHTLATCH login --password-stdin");
    for script in [
        &login,
        "$NIGHTLATCH status",
        "$NIGHTLATCH extend",
        "$NIGHTLATCH audit verify",
        "$NIGHTLATCH doctor",
        "$NIGHTLATCH logout",
        "$NIGHTLATCH status",
    ] {
        let plain = said("C", script);
        assert!(plain.is_ascii(), "{script}: {plain}");
    }
    assert!(said("C.UTF-8", "$NIGHTLATCH status").starts_with('○'));
    assert!(said("C", "$NIGHTLATCH status").starts_with('o'));
    let home = Home::new();
    let mut command = home.command(&["register", EMAIL]);
    command.env("LC_ALL", "C");
    let mut pty = Pty::spawn(command);
    pty.expect("New password for");
    pty.send(&format!("{OTHER_PASSWORD}\n"));
    let meter = pty.expect("again: ");
    assert!(meter.contains("strength") && meter.is_ascii(), "{meter}");
    pty.send("\x03");
    pty.finish();
}
