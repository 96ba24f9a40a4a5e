//! Decides from the facts about a mount whether overwriting erases. Pure: other code reads the
//! facts.

use super::kinds::{Erasure, Kept, Storage, Unsure};

/// A mount, from a line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `major:minor`.
    pub(super) device: String,
    pub(super) file_system: String,
    /// The options of the mount and of the file system, separated by commas.
    pub(super) options: String,
}

/// The facts about the directory.
pub(super) struct Facts<'a> {
    pub(super) mount: &'a Mount,
    /// New files in it are not copied on write (`chattr +C`).
    pub(super) no_copy_on_write: bool,
    /// The data of new files in it is journaled (`chattr +j`).
    pub(super) journals_data: bool,
}

impl Mount {
    /// The mount that contains `path`, which has no links: the last of those with the longest
    /// matching path.
    pub(super) fn of(path: &[u8], mounts: &[u8]) -> Option<Self> {
        let lines = mounts.split(|&byte| byte == b'\n');
        let mut nearest = None;
        for line in lines {
            let Some((point, mount)) = Self::parse(line) else {
                continue;
            };
            let is_below = point == b"/"
                || path
                    .strip_prefix(&*point)
                    .is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
            let is_nearer = |(length, _): &(usize, Self)| point.len() >= *length;
            if is_below && nearest.as_ref().is_none_or(is_nearer) {
                nearest = Some((point.len(), mount));
            }
        }
        nearest.map(|(_, mount)| mount)
    }

    /// The mount point and the mount, parsed from a line (proc(5), `/proc/PID/mountinfo`).
    fn parse(line: &[u8]) -> Option<(Vec<u8>, Self)> {
        let mut fields = line.split(|&byte| byte == b' ');
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let device = text(fields.by_ref().nth(2)?);
        let point = unescaped(fields.by_ref().nth(1)?);
        let options = text(fields.next()?);
        // A hyphen ends the optional fields.
        fields.by_ref().find(|field| *field == b"-")?;
        let file_system = text(fields.next()?);
        let more = fields.nth(1).map(text).unwrap_or_default();
        let mount = Self {
            device,
            file_system,
            options: format!("{options},{more}"),
        };
        Some((point, mount))
    }

    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|found| found == option)
    }
}

/// Decodes spaces, tabs, newlines and backslashes, which are written as a backslash and three octal
/// digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.get(..3).filter(|_| byte == b'\\');
        let code = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

impl Storage {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let mount = facts.mount;
        let erasure = match &*mount.file_system {
            "ext3" | "ext4" if facts.journals_data || mount.has("data=journal") => {
                Erasure::Kept(Kept::DataJournal)
            }
            "ext2" | "ext3" | "ext4" | "xfs" | "jfs" | "vfat" | "exfat" | "tmpfs" | "ramfs" => {
                Erasure::InPlace
            }
            "btrfs" if facts.no_copy_on_write || mount.has("nodatacow") => Erasure::InPlace,
            "btrfs" | "zfs" | "bcachefs" => Erasure::Kept(Kept::CopyOnWrite),
            "f2fs" | "nilfs2" => Erasure::Kept(Kept::LogStructured),
            "overlay" | "aufs" | "ecryptfs" => Erasure::Unknown(Unsure::Layer),
            "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "ceph" | "afs" | "virtiofs" => {
                Erasure::Unknown(Unsure::Remote)
            }
            name if name.starts_with("fuse") => Erasure::Unknown(Unsure::Program),
            _ => Erasure::Unknown(Unsure::Unfamiliar),
        };
        Self {
            file_system: mount.file_system.clone(),
            erasure,
        }
    }

    /// From the magic number of statfs(2), when the mounts cannot be read. It gives no options, so
    /// whatever depends on them stays unknown.
    pub(super) fn of_magic(number: u32) -> Option<Self> {
        use Unsure::{Layer, Program, Remote, Unfamiliar};
        let (file_system, erasure) = match number {
            0xef53 => ("ext4", Erasure::Unknown(Unfamiliar)),
            0x5846_5342 => ("xfs", Erasure::InPlace),
            0x0102_1994 => ("tmpfs", Erasure::InPlace),
            0x8584_58f6 => ("ramfs", Erasure::InPlace),
            0x9123_683e => ("btrfs", Erasure::Kept(Kept::CopyOnWrite)),
            0x2fc1_2fc1 => ("zfs", Erasure::Kept(Kept::CopyOnWrite)),
            0xca45_1a4e => ("bcachefs", Erasure::Kept(Kept::CopyOnWrite)),
            0xf2f5_2010 => ("f2fs", Erasure::Kept(Kept::LogStructured)),
            0x3434 => ("nilfs2", Erasure::Kept(Kept::LogStructured)),
            0x794c_7630 => ("overlay", Erasure::Unknown(Layer)),
            0x6573_5546 => ("fuse", Erasure::Unknown(Program)),
            0x6969 => ("nfs", Erasure::Unknown(Remote)),
            0x517b | 0xff53_4d42 => ("cifs", Erasure::Unknown(Remote)),
            0xfe53_4d42 => ("smb3", Erasure::Unknown(Remote)),
            0x0102_1997 => ("9p", Erasure::Unknown(Remote)),
            0x00c3_6400 => ("ceph", Erasure::Unknown(Remote)),
            0x5346_414f => ("afs", Erasure::Unknown(Remote)),
            _ => return None,
        };
        Some(Self {
            file_system: file_system.to_owned(),
            erasure,
        })
    }
}
