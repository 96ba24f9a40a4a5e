//! Surroundings that a program is seldom started in: streams closed, limits set low.

use crate::support::{Home, PASSWORD, Run};

#[test]
fn a_descriptor_that_the_program_opened_for_itself_is_no_password() {
    let home = Home::registered();
    for number in 3..10 {
        let script = format!(
            "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; \"$NIGHTLATCH\" login --password-fd {number}"
        );
        Run::of(home.shell(&script)).refuses(2, &format!("--password-fd {number}"));
    }
    assert!(!home.events().contains(&"LOGIN_FAILURE".to_owned()));
}

#[test]
fn closed_standard_streams_are_no_way_into_a_file_of_ours() {
    let home = Home::registered();
    let sign_in = "exec 0</dev/null 1>&- 2>&-; \"$NIGHTLATCH\" login --password-stdin <\"$0\"";
    let password = home.outside("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let mut shell = home.shell(sign_in);
    shell.arg(&password);
    Run::of(shell).succeeds();
    for (command, code) in [
        ("status", 0),
        ("exec -- /bin/echo into-the-void", 0),
        ("audit list", 0),
        ("login --password-stdin", 5),
        ("exec -- no-such-program", 127),
        ("nonsense", 2),
    ] {
        let script = format!("exec <&- >&- 2>&-; \"$NIGHTLATCH\" {command}");
        Run::of(home.shell(&script)).ends_with(code);
    }
    assert!(home.is_active());
    // What was said went nowhere: the log still parses, line by line.
    assert!(home.audit().len() > 5);
}
