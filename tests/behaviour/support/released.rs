//! Account databases of earlier versions.

use rusqlite::Connection;

use super::Home;

/// A version of the account database, and the tables that it has.
pub type Released = (i64, &'static [&'static str]);

/// The versions before the present one.
pub const RELEASED: [Released; 1] = [(1, &["accounts", "throttle", "meta"])];

/// Makes the home's account database one of this version, as if an earlier program had written it.
/// Later versions have only added tables.
pub fn become_released(home: &Home, (version, tables): Released) {
    let connection = open(home);
    for table in self::tables(home) {
        if !tables.contains(&table.as_str()) {
            let drop = format!("DROP TABLE {table}");
            connection.execute_batch(&drop).unwrap();
        }
    }
    connection
        .pragma_update(None, "user_version", version)
        .unwrap();
}

/// The tables of the home's account database.
pub fn tables(home: &Home) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let connection = open(home);
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

/// The version of the home's account database.
pub fn version(home: &Home) -> i64 {
    open(home)
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

fn open(home: &Home) -> Connection {
    Connection::open(home.path().join("accounts.db")).unwrap()
}
