//! A home whose account database was written by an earlier version.

use std::sync::Arc;

use nightlatch::Guard;

use crate::library::config;
use crate::support::checks::{log_is_whole, together};
use crate::support::released::{RELEASED, become_released, version};
use crate::support::{EMAIL, Home, PASSWORD};

#[test]
fn a_database_of_a_released_version_is_migrated_by_a_login_and_by_no_command_that_only_looks() {
    for released in RELEASED {
        let home = Home::registered();
        let present = version(&home);
        become_released(&home, released);
        home.run(&["--account", EMAIL, "status"]).ends_with(4);
        home.run(&["doctor"]).succeeds();
        assert_eq!(version(&home), released.0);
        home.login(&[]).succeeds();
        assert_eq!(version(&home), present);
        log_is_whole(&home);
    }
}

#[test]
fn secret_names_of_an_earlier_database_that_is_only_looked_at_are_none() {
    for released in RELEASED {
        let home = Home::signed_in();
        become_released(&home, released);
        let guard = Guard::open_to_look(config(&home, &Arc::default())).unwrap();
        assert_eq!(guard.secret_names().unwrap(), []);
        assert_eq!(version(&home), released.0);
    }
}

#[test]
fn of_several_processes_that_migrate_a_database_at_once_none_fails_and_no_account_is_lost() {
    let home = Home::registered();
    let present = version(&home);
    for released in RELEASED {
        become_released(&home, released);
        for run in together(6, |number| match number % 2 {
            0 => home.login(&["--force"]),
            _ => home.run(&["--account", EMAIL, "logout"]),
        }) {
            run.succeeds();
        }
        assert_eq!(version(&home), present);
        home.run_with_input(&["login", EMAIL, "--password-stdin"], PASSWORD.as_bytes())
            .succeeds();
    }
}
