//! Which files are taken for a key.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::random::Random;

fn place(dir: &Path) -> Place {
    Place::State(path(dir))
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(place: &Place) -> String {
    place.read().unwrap_err().to_string()
}

#[test]
fn a_key_is_made_once_and_kept_private() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    assert_eq!(place.read().unwrap(), None);
    let key = Master::drawn(&Random::system());
    make(place.path(), &key).unwrap();
    assert_eq!(place.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.read().unwrap(), Some(key.clone()));
    assert!(make(place.path(), &Master::drawn(&Random::system())).is_err(), "never over another one");
    assert_eq!(place.read().unwrap(), Some(key));
    assert!(
        !KeyError::Write { path: dir.path().to_owned(), source: io::ErrorKind::StorageFull.into() }
            .is_configuration()
    );
}

#[test]
fn raw_or_hexadecimal_and_nothing_else() {
    let key = |octets: &[u8]| parse(octets).map(|key| *key.expose());
    assert_eq!(key(&[7; 32]), Some([7; 32]));
    assert_eq!(key(format!("{}\n", "0a".repeat(32)).as_bytes()), Some([10; 32]));
    assert_eq!(key(b"short"), None);
    assert_eq!(key(&[7; 33]), None);
    assert_eq!(key("zz".repeat(32).as_bytes()), None);
}

#[test]
fn what_others_may_read_or_replace_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    make(place.path(), &Master::drawn(&Random::system())).unwrap();
    for (mode, word) in [
        (0o640, "read by others; run: chmod 600"),
        (0o604, "read by others"),
        (0o620, "changed by others"),
        (0o602, "changed by others"),
        (0o666, "changed by others"),
    ] {
        chmod(place.path(), mode);
        assert!(refusal(&place).contains(word), "{mode:o}: {}", refusal(&place));
    }
    // What systemd gives has the mask of its access list in place of the group's rights.
    let given = Place::Credential(place.path().to_owned());
    chmod(place.path(), 0o440);
    assert!(given.read().is_ok());
    chmod(place.path(), 0o444);
    assert!(refusal(&given).contains("read by others"));
    chmod(place.path(), 0o600);
    for (mode, taken) in [(0o770, false), (0o707, false), (0o1777, true), (0o755, true)] {
        chmod(dir.path(), mode);
        assert_eq!(place.read().is_ok(), taken, "{mode:o}");
    }
    chmod(dir.path(), 0o770);
    assert!(refusal(&place).contains("chmod go-w"), "{}", refusal(&place));
}

#[test]
fn each_folder_above_it_decides_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (above, folder) = (dir.path().join("above"), dir.path().join("above/folder"));
    std::fs::create_dir_all(&folder).unwrap();
    let place = place(&folder);
    make(place.path(), &Master::drawn(&Random::system())).unwrap();
    chmod(&folder, 0o700);
    for (mode, taken) in [(0o775, false), (0o757, false), (0o1777, true), (0o755, true)] {
        for changed in [&above, &dir.path().to_owned()] {
            chmod(changed, mode);
            let (read, named) = (place.read(), changed.display().to_string());
            assert_eq!(read.is_ok(), taken, "{mode:o} {named}");
            if let Err(e) = read {
                assert!(
                    e.is_configuration() && e.to_string().ends_with(&format!("chmod go-w {named}")),
                    "{e}"
                );
            }
            chmod(changed, 0o755);
        }
    }
}

/// A link is followed on the way to the folder, and whoever may change what is before or behind it may put another key
/// there.
#[test]
fn both_ends_of_a_link_on_the_way_decide() {
    let dir = tempfile::tempdir().unwrap();
    let (real, ways) = (dir.path().join("real"), dir.path().join("ways"));
    std::fs::create_dir_all(real.join("state")).unwrap();
    std::fs::create_dir(&ways).unwrap();
    symlink("../real", ways.join("link")).unwrap();
    make(&path(&real.join("state")), &Master::drawn(&Random::system())).unwrap();
    let place = place(&ways.join("link/state"));
    assert!(place.read().is_ok());
    for folder in [&real, &ways] {
        chmod(folder, 0o775);
        assert!(
            refusal(&place).ends_with(&format!("chmod go-w {}", folder.display())),
            "{}",
            refusal(&place)
        );
        chmod(folder, 0o755);
    }
    if geteuid().is_root() {
        std::os::unix::fs::lchown(ways.join("link"), Some(12345), None).unwrap();
        assert!(refusal(&place).contains("chown -h 0 "), "{}", refusal(&place));
    } else {
        eprintln!("not tried: only root can give a link away");
    }
    symlink("loop", ways.join("loop")).unwrap();
    assert!(super::read(&path(&ways.join("loop")), Place::State(PathBuf::new()).rules()).is_err());
}

#[test]
fn a_link_a_pipe_and_a_folder_are_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    let other = dir.path().join("other");
    make(&other, &Master::drawn(&Random::system())).unwrap();
    symlink(&other, place.path()).unwrap();
    assert!(refusal(&place).contains("is a link"), "{}", refusal(&place));
    std::fs::remove_file(place.path()).unwrap();
    symlink("nowhere", place.path()).unwrap();
    assert!(refusal(&place).contains("is a link"), "it is not taken for a missing one");
    std::fs::remove_file(place.path()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path(), Mode::RWXU).unwrap();
    assert!(refusal(&place).contains("no regular file"));
    std::fs::remove_file(place.path()).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    assert!(refusal(&place).contains("no regular file"));
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    make(place.path(), &Master::drawn(&Random::system())).unwrap();
    std::os::unix::fs::chown(place.path(), Some(12345), None).unwrap();
    assert!(refusal(&place).contains("belongs to user 12345; run: chown 0 "), "{}", refusal(&place));
    assert!(check(place.path()).is_ok(), "root looks at it for that user");
    std::os::unix::fs::chown(place.path(), Some(0), None).unwrap();
    std::os::unix::fs::chown(dir.path(), Some(12345), None).unwrap();
    assert!(refusal(&place).contains("belongs to user 12345"), "{}", refusal(&place));
}

#[test]
fn all_zeros_are_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    for octet in [0, 0xff] {
        write(place.path(), &Master::from_bytes([octet; 32])).unwrap();
        assert!(refusal(&place).contains("all of its octets are the same"));
        assert!(matches!(place.read(), Err(e) if e.is_configuration()));
    }
}

#[test]
fn a_key_that_the_daemon_did_not_write_to_its_end_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(dir.path());
    assert_eq!(place.beside(), dir.path().join("secret.key.new"));
    std::fs::write(place.beside(), b"half").unwrap();
    assert_eq!(place.read_beside().unwrap(), None);
    let given = Place::Configured(place.path().to_owned());
    assert_eq!(given.beside(), dir.path().join("secret.key.old"));
    assert_eq!(given.read_beside().unwrap(), None);
    std::fs::write(given.beside(), b"half").unwrap();
    assert!(given.read_beside().is_err(), "what an operator put there is told");
    let next = Master::drawn(&Random::system());
    write(&place.beside(), &next).unwrap();
    take_over(&place).unwrap();
    assert_eq!(place.read().unwrap(), Some(next));
    assert!(!place.beside().exists());
}
