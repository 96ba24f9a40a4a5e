//! Groups with a single member: many systems give each user a private group, and a umask of 002.

use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use super::content::read_bounded;

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";
/// Larger than these files are on systems with private groups.
const LIMIT: usize = 4 * 1024 * 1024;

/// Whether the group `gid` is the user `uid`'s private group: their primary group, with the same
/// name and no other member. Only the local files count: a user or group from a directory service
/// has no private group, and neither has anybody if a file cannot be read.
pub(super) fn is_private_group(uid: u32, gid: u32) -> bool {
    let (Some(users), Some(groups)) = (content(USERS), content(GROUPS)) else {
        return false;
    };
    is_alone(&users, &groups, uid, gid)
}

fn content(path: &str) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).ok()?.into();
    let content = read_bounded(&file, Path::new(path), LIMIT).ok()?;
    String::from_utf8(content).ok()
}

/// Applies the rule to the text of the two files (passwd(5), group(5)).
fn is_alone(users: &str, groups: &str, uid: u32, gid: u32) -> bool {
    let mut name = None;
    for user in users.lines().map(fields) {
        let is_member = number(&user, 3) == Some(gid);
        if number(&user, 2) == Some(uid) {
            // A second name of the same user is the same person.
            name = name.or(is_member.then(|| user[0]));
        } else if is_member {
            return false;
        }
    }
    let Some(name) = name else { return false };
    let mut named = groups
        .lines()
        .map(fields)
        .filter(|group| number(group, 2) == Some(gid))
        .peekable();
    let exists = named.peek().is_some();
    exists
        && named.all(|group| {
            let members = group.get(3).copied().unwrap_or_default();
            let mut members = members.split(',').filter(|member| !member.is_empty());
            group[0] == name && members.all(|member| member == name)
        })
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

fn number(fields: &[&str], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\n\
        sync:x:4:65534:sync:/bin:/bin/sync\n\
        ann:x:1000:1000::/home/ann:/bin/sh\n\
        bob:x:1001:1001::/home/bob:/bin/sh\n\
        eve:x:1002:1001::/home/eve:/bin/sh\n\
        joe:x:1003:100::/home/joe:/bin/sh\n\
        kim:x:1004:1004::/home/kim:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\n\
        users:x:100:\n\
        ann:x:1000:\n\
        bob:x:1001:\n\
        kim:x:1004:kim,eve\n\
        nobody:x:65534:\n";

    #[test]
    fn a_group_is_a_users_own_when_it_has_the_name_and_no_other_member() {
        let is_own = |uid, gid| is_alone(USERS, GROUPS, uid, gid);
        assert!(is_own(1000, 1000));
        assert!(is_own(0, 0));
        assert!(!is_own(1000, 100), "not the primary group");
        assert!(!is_own(1001, 1001), "another user's primary group as well");
        assert!(!is_own(1003, 100), "a group of another name");
        assert!(!is_own(1004, 1004), "with another member");
        assert!(!is_own(1005, 1005), "a user whom the file does not have");
    }

    #[test]
    fn a_group_that_the_file_has_not_or_has_twice_with_members_is_nobodys_own() {
        assert!(!is_alone(USERS, "users:x:100:\n", 1000, 1000));
        let twice = format!("{GROUPS}staff:x:1000:bob\n");
        assert!(!is_alone(USERS, &twice, 1000, 1000));
        let garbled = "ann:x:1000\nann\n:::\nann:x:one:\n";
        assert!(
            is_alone(USERS, garbled, 1000, 1000),
            "a group line without members"
        );
        assert!(!is_alone("ann:x:1000", GROUPS, 1000, 1000));
    }
}
