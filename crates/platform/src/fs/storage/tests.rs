#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

use std::path::PathBuf;
use std::process::Command;

use super::judge::{Facts, Mount};
use super::*;

/// From several kinds of machine: a laptop, a server, a container.
const MOUNTS: &str = "\
22 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/mapper/luks-1f rw,compress=zstd:1,ssd,space_cache=v2,subvolid=256,subvol=/@
23 22 0:25 /@home /home rw,relatime shared:30 - btrfs /dev/mapper/luks-1f rw,compress=zstd:1,ssd,subvolid=257,subvol=/@home
24 22 0:26 / /srv/nocow rw,relatime shared:31 - btrfs /dev/sdb rw,nodatacow,nodatasum,subvolid=5,subvol=/
25 22 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
26 22 259:2 / /boot rw,relatime shared:33 - ext4 /dev/nvme0n1p2 rw
27 22 8:1 / /srv/journal rw,relatime shared:34 - ext4 /dev/sda1 rw,nodioread_nolock,nodelalloc,data=journal
28 22 8:2 / /srv/writeback rw,noatime shared:35 - ext4 /dev/sda2 rw,data=writeback
29 22 253:0 / /srv/xfs rw,relatime shared:36 - xfs /dev/mapper/vg-data rw,attr2,inode64,logbufs=8,noquota
30 22 0:40 / /tank rw,xattr,noacl shared:37 - zfs tank rw,xattr,posixacl,casesensitive
31 22 0:41 / /run/user/1000 rw,nosuid,nodev,relatime shared:38 - tmpfs tmpfs rw,size=1618736k,mode=700,uid=1000
32 22 0:42 / /home/alice/remote rw,nosuid,nodev,relatime shared:39 - fuse.sshfs alice@host:/ rw,user_id=1000,group_id=1000
33 22 0:43 / /net/home rw,relatime shared:40 - nfs4 10.0.0.2:/home rw,vers=4.2,rsize=1048576,hard,proto=tcp
34 22 0:44 / /mnt/win rw,relatime shared:41 - cifs //10.0.0.3/c rw,vers=3.1.1,cache=strict
35 22 8:3 / /media/My\\040Disk rw,nosuid,nodev,relatime shared:42 - f2fs /dev/sdc rw,lazytime,background_gc=on,mode=adaptive
36 22 8:4 / /srv/nilfs rw,relatime shared:43 - nilfs2 /dev/sdd rw
37 22 0:45 / /srv/bcachefs rw,relatime shared:44 - bcachefs /dev/sde rw
38 22 0:46 / /ctr rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/u,workdir=/w
39 22 8:5 / /srv/twice rw,relatime - zfs below rw
40 39 8:6 / /srv/twice rw,relatime - ext4 /dev/sdf rw
41 22 8:7 / /srv/odd rw,relatime - reiserfs /dev/sdg rw
";

fn storage_of(path: &str, no_copy_on_write: bool, journals_data: bool) -> Storage {
    let mount = Mount::of(path.as_bytes(), MOUNTS.as_bytes()).unwrap();
    Storage::of(&Facts {
        mount: &mount,
        no_copy_on_write,
        journals_data,
    })
}

#[test]
fn each_file_system_says_whether_overwriting_erases() {
    use Erasure::{InPlace, Unknown};
    let kept = Erasure::Kept;
    for (path, file_system, erasure) in [
        ("/etc", "btrfs", kept(Kept::CopyOnWrite)),
        ("/home/alice/.local/share", "btrfs", kept(Kept::CopyOnWrite)),
        ("/homely", "btrfs", kept(Kept::CopyOnWrite)),
        ("/srv/nocow/home", "btrfs", InPlace),
        ("/boot", "ext4", InPlace),
        ("/bootleg", "btrfs", kept(Kept::CopyOnWrite)),
        ("/srv/journal/x", "ext4", kept(Kept::DataJournal)),
        ("/srv/writeback", "ext4", InPlace),
        ("/srv/xfs/a/b", "xfs", InPlace),
        ("/tank/home", "zfs", kept(Kept::CopyOnWrite)),
        ("/run/user/1000/x", "tmpfs", InPlace),
        (
            "/home/alice/remote/x",
            "fuse.sshfs",
            Unknown(Unsure::Program),
        ),
        ("/net/home/alice", "nfs4", Unknown(Unsure::Remote)),
        ("/mnt/win", "cifs", Unknown(Unsure::Remote)),
        ("/media/My Disk/x", "f2fs", kept(Kept::LogStructured)),
        ("/srv/nilfs", "nilfs2", kept(Kept::LogStructured)),
        ("/srv/bcachefs", "bcachefs", kept(Kept::CopyOnWrite)),
        ("/ctr/root", "overlay", Unknown(Unsure::Layer)),
        ("/srv/twice/x", "ext4", InPlace),
        ("/srv/odd", "reiserfs", Unknown(Unsure::Unfamiliar)),
    ] {
        let found = storage_of(path, false, false);
        assert_eq!(
            (&*found.file_system, found.erasure),
            (file_system, erasure),
            "{path}"
        );
    }
}

#[test]
fn a_flag_of_the_directory_counts_as_the_option_of_the_mount() {
    assert_eq!(storage_of("/etc", true, false).erasure, Erasure::InPlace);
    let journaled = storage_of("/boot", false, true).erasure;
    assert_eq!(journaled, Erasure::Kept(Kept::DataJournal));
    assert_eq!(
        storage_of("/tank", true, false).erasure,
        Erasure::Kept(Kept::CopyOnWrite),
        "ZFS has no such flag"
    );
}

#[test]
fn lines_that_are_no_mounts_are_left_out() {
    for mounts in [
        "",
        "\n\n",
        "1 2 3",
        "22 1 0:25 / / rw -",
        "22 1 0:25 / / rw btrfs x",
    ] {
        assert_eq!(Mount::of(b"/etc", mounts.as_bytes()), None, "{mounts:?}");
    }
}

#[test]
fn without_mounts_the_number_of_the_file_system_says_what_it_can() {
    let of = |number| Storage::of_magic(number).map(|found| found.erasure);
    assert_eq!(of(0x9123_683e), Some(Erasure::Kept(Kept::CopyOnWrite)));
    assert_eq!(of(0xef53), Some(Erasure::Unknown(Unsure::Unfamiliar)));
    assert_eq!(of(1), None);
    assert!(Storage::of_magic(0x6969).unwrap().is_remote());
    assert!(Storage::of_magic(0x0102_1994).unwrap().is_in_memory());
}

#[test]
fn the_directory_of_this_test_lies_on_a_file_system_that_has_a_name() {
    let temp = tempfile::tempdir().unwrap();
    let found = storage(temp.path()).unwrap();
    assert!(!found.file_system.is_empty(), "{found:?}");
    assert_eq!(storage(&temp.path().join("none")), None);
}

/// A file system in a file, mounted until this is dropped.
struct Mounted {
    temp: tempfile::TempDir,
}

impl Mounted {
    /// `None`, after printing the reason, where mounting is not permitted.
    fn new(make: &[&str], size: u64, options: &str) -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(size)
            .unwrap();
        std::fs::create_dir(temp.path().join("mount")).unwrap();
        let run = |command: &mut Command| {
            let done = command.output();
            done.is_ok_and(|output| output.status.success())
        };
        let mounted = Self { temp };
        let may = rustix::process::geteuid().is_root()
            && run(Command::new(make[0]).args(&make[1..]).arg(&image))
            && run(Command::new("mount")
                .args(["-o", options])
                .arg(&image)
                .arg(mounted.path()));
        if !may {
            println!("skipped: {make:?} needs its tool, root, and the right to mount");
        }
        may.then_some(mounted)
    }

    fn path(&self) -> PathBuf {
        self.temp.path().join("mount")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

#[test]
fn on_btrfs_copy_on_write_is_switched_off_for_new_files() {
    let Some(mounted) = Mounted::new(&["mkfs.btrfs", "-q"], 128 * 1024 * 1024, "loop") else {
        return;
    };
    let dir = Dir::open_or_create(&mounted.path().join("seal")).unwrap();
    let erasure = || storage(dir.path()).unwrap().erasure;
    assert_eq!(erasure(), Erasure::Kept(Kept::CopyOnWrite));
    assert!(dir.disable_copy_on_write().unwrap());
    assert!(dir.disable_copy_on_write().unwrap(), "a second time");
    assert_eq!(erasure(), Erasure::InPlace);
    let file = dir.create_new("state").unwrap();
    assert!(flags_of(&file).contains(IFlags::NOCOW));
}

#[test]
fn elsewhere_copy_on_write_cannot_be_switched_off_and_that_is_no_error() {
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-q"], 16 * 1024 * 1024, "loop") else {
        return;
    };
    let dir = Dir::open_or_create(&mounted.path().join("seal")).unwrap();
    assert!(!dir.disable_copy_on_write().unwrap());
    assert_eq!(storage(dir.path()).unwrap().erasure, Erasure::InPlace);
    let dir = Dir::open_or_create(
        &PathBuf::from("/dev/shm").join(format!("nightlatch-{}", std::process::id())),
    )
    .unwrap();
    assert!(!dir.disable_copy_on_write().unwrap());
    assert_eq!(storage(dir.path()).unwrap().file_system, "tmpfs");
    std::fs::remove_dir(dir.path()).unwrap();
}

#[test]
fn a_data_journal_is_seen_as_an_option_of_the_mount_of_the_superblock_and_of_the_directory() {
    let journaled = Erasure::Kept(Kept::DataJournal);
    let size = 16 * 1024 * 1024;
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-q"], size, "loop,data=journal") else {
        return;
    };
    assert_eq!(storage(&mounted.path()).unwrap().erasure, journaled);
    drop(mounted);
    let by_default = "mkfs.ext4 -q \"$0\" && tune2fs -o journal_data \"$0\"";
    let by_default = ["sh", "-c", by_default];
    if let Some(mounted) = Mounted::new(&by_default, size, "loop") {
        assert_eq!(storage(&mounted.path()).unwrap().erasure, journaled);
    }
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-q"], size, "loop") else {
        return;
    };
    assert_eq!(storage(&mounted.path()).unwrap().erasure, Erasure::InPlace);
    let flagged = Command::new("chattr")
        .arg("+j")
        .arg(mounted.path())
        .status();
    if flagged.is_ok_and(|status| status.success()) {
        assert_eq!(storage(&mounted.path()).unwrap().erasure, journaled);
    }
}
