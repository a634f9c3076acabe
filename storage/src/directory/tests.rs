//! Directories: one contract for all of them; publication under faults and power cuts.

use std::sync::Arc;

use super::{
    CrashImageDirectory, Directory, Entry, EntryKind, Fault, FaultDirectory, MemDirectory, Op,
    OsDirectory, PowerCut, TMP_DIR, empty, is_injected, sweep, walk,
};
use crate::artifact::{Artifact, StagedArtifact};
use crate::error::{Error, Result};
use crate::format_file::{Access, DatabaseId, FORMAT_FILE, Format};
use crate::id::{ColumnId, TableId};
use crate::lock::Lock;
use crate::segment::{SegmentHeader, SegmentReader, SegmentWriter};
use crate::staged::FileRef;
use crate::value::Element;
use std::io::Write;

fn write(dir: &dyn Directory, name: &str, bytes: &[u8]) -> Result<()> {
    let mut file = dir.create(name)?;
    file.write_all(bytes).expect("written");
    file.sync().expect("synced");
    Ok(())
}

/// What every implementation must do.
fn honours_the_contract(dir: &dyn Directory) {
    assert_eq!(dir.list("").expect("lists"), []);
    assert_eq!(dir.list("none").expect("a missing directory is empty"), []);
    assert!(dir.create("a/b").is_err(), "the directory is missing");
    dir.make_dir("a/b").expect("made");
    dir.make_dir("a/b").expect("made twice");
    write(dir, "a/b/one", b"first").expect("written");
    assert!(dir.create("a/b/one").is_err(), "files are created once");
    assert_eq!(dir.read("a/b/one").expect("read").as_deref(), Some(&b"first"[..]));
    assert_eq!(dir.read("a/b/two").expect("read"), None);
    assert_eq!(dir.len("a/b/one").expect("inspected"), Some(5));
    assert_eq!(dir.len("a/b/two").expect("inspected"), None);

    let held = dir.open("a/b/one").expect("opened");
    assert_eq!((&held[..], held.as_ptr().align_offset(64)), (&b"first"[..], 0));
    assert_eq!(&held.slice(1..3).expect("inside")[..], b"ir");
    assert!(held.slice(3..6).is_none() && held.clone().slice(5..5).is_some());
    assert!(matches!(dir.open("a/b/two"), Err(Error::Io { .. })));

    write(dir, "a/two", b"second").expect("written");
    dir.rename("a/two", "a/b/one").expect("a name can be taken over");
    dir.sync_dir("a/b").expect("synced");
    assert_eq!(&held[..], b"first", "who has the file open keeps its bytes");
    assert_eq!(dir.read("a/b/one").expect("read").as_deref(), Some(&b"second"[..]));
    assert!(dir.rename("a/two", "a/three").is_err());
    assert!(dir.rename("a/b/one", "z/one").is_err());
    assert!(dir.sync_dir("z").is_err());

    dir.replace("FORMAT", b"1").expect("replaced");
    dir.replace("FORMAT", b"22").expect("replaced");
    let entry = |name: &str, kind| Entry { name: name.into(), kind };
    let found = dir.list("").expect("lists");
    assert_eq!(found, [entry("FORMAT", EntryKind::File { len: 2 }), entry("a", EntryKind::Dir)]);
    let found = walk(dir, "").expect("walks");
    assert_eq!(found, [("FORMAT".to_owned(), 2), ("a/b/one".to_owned(), 6)]);

    dir.remove_dir("a").expect("a full directory is left alone");
    assert_eq!(dir.list("a").expect("lists").len(), 1);
    write(dir, "a/b/orphan", b"").expect("written");
    assert_eq!(&dir.open("a/b/orphan").expect("an empty file opens")[..], b"");
    let swept = sweep(dir, "a", &|name| name == "a/b/one").expect("swept");
    assert_eq!(swept, ["a/b/orphan"]);
    dir.remove("a/b/orphan").expect("removing twice is no error");
    empty(dir, "a").expect("emptied");
    assert_eq!(dir.list("a").expect("lists"), []);

    for bad in ["../x", "/x", "a//x", "a/./x", "a/", "a\\..\\x", "c:x"] {
        assert!(dir.read(bad).is_err(), "{bad} leaves the directory");
        assert!(dir.create(bad).is_err(), "{bad} leaves the directory");
        assert!(dir.remove(bad).is_err(), "{bad} leaves the directory");
        assert!(dir.rename("FORMAT", bad).is_err(), "{bad} leaves the directory");
    }
    assert!(dir.read("FORMAT").expect("read").is_some());
}

#[test]
fn directories_honour_the_contract() {
    let place = tempfile::tempdir().expect("a temporary directory");
    honours_the_contract(&OsDirectory::create(&place.path().join("x/y")).expect("created"));
    honours_the_contract(&MemDirectory::new());
    honours_the_contract(&CrashImageDirectory::new());
    honours_the_contract(&FaultDirectory::new(Arc::new(MemDirectory::new())));
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = OsDirectory::open(place.path()).expect("opened");
    write(&dir, "file", b"x").expect("written");
    assert!(OsDirectory::open(&place.path().join("file")).is_err());
    assert!(OsDirectory::create(&place.path().join("file/sub")).is_err());
    assert!(OsDirectory::open(&place.path().join("none")).is_err());
}

#[test]
fn exports_share_or_copy_the_bytes() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = OsDirectory::create(&place.path().join("db")).expect("created");
    write(&dir, "file", b"bytes").expect("written");
    let mem = MemDirectory::with_files([("file".to_owned(), b"bytes".to_vec())]);
    let out = OsDirectory::create(&place.path().join("out")).expect("created");
    dir.export("file", &place.path().join("out/a")).expect("exported");
    mem.export("file", &place.path().join("out/b")).expect("exported");
    for name in ["a", "b"] {
        assert_eq!(out.read(name).expect("read").as_deref(), Some(&b"bytes"[..]));
        let target = place.path().join("out").join(name);
        assert!(dir.export("file", &target).is_err(), "nothing is overwritten");
    }
}

#[test]
fn one_writer_or_many_readers_hold_the_lock() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path();
    assert!(Lock::acquire(root, Access::Read).expect("nobody to keep out").is_none());
    let writer = Lock::acquire(root, Access::Write).expect("free");
    for access in [Access::Read, Access::Write] {
        let refused = Lock::acquire(root, access).expect_err("held");
        assert!(matches!(refused, Error::Locked { path } if path == root));
    }
    drop(writer);
    let reader = Lock::acquire(root, Access::Read).expect("free").expect("a LOCK file exists");
    let second = Lock::acquire(root, Access::Read).expect("shared");
    assert!(matches!(Lock::acquire(root, Access::Write), Err(Error::Locked { .. })));
    drop((reader, second));
    Lock::acquire(root, Access::Write).expect("free again");
}

/// The script of the fault and power cut tests: FORMAT, a segment, an artifact in two blocks.
/// Files are listed in `named` when a commit could name them.
fn script(
    dir: &Arc<dyn Directory>,
    named: &mut Vec<(FileRef, u64)>,
    now: &dyn Fn() -> u64,
) -> Result<()> {
    Format::new(DatabaseId([7; 16])).write(&**dir)?;
    let header = SegmentHeader {
        table: TableId(3),
        column: ColumnId(1),
        element: Element::F32,
        dim: 4,
        rows: 100,
        number: 1,
    };
    let ids: Vec<u64> = (1..=100).collect();
    let mut writer = SegmentWriter::create(dir, header, &ids)?;
    for id in &ids {
        writer.push(&[*id as f32; 4])?;
    }
    let file = writer.finish()?.publish()?;
    named.push((file, now()));
    let mut artifact = StagedArtifact::create(dir, "home/ease", 2)?;
    for _ in 0..100 {
        let path = dir.path("artifact");
        artifact.write_all(&[5; 1000]).map_err(|e| super::io_error(path, "write", e))?;
    }
    let file = artifact.finish()?.publish()?;
    named.push((file, now()));
    Ok(())
}

/// A named file is whole; any other is absent or an orphan that a sweep removes.
fn is_recoverable(dir: &dyn Directory, named: &[FileRef]) {
    for file in named {
        if file.name.ends_with(".vec") {
            let reader = SegmentReader::open(dir, file).expect("a named segment is whole");
            reader.verify().expect("and verifies");
            let vector = reader.get(100).expect("verifies").expect("is there");
            assert_eq!(vector.to_f32(), [100.0; 4]);
        } else {
            let blob = Artifact::open(dir, file).and_then(|a| a.blob()).expect("whole");
            assert!(blob.len() == 100_000 && blob.iter().all(|byte| *byte == 5));
            assert_eq!(blob.as_ptr().align_offset(64), 0);
        }
    }
    empty(dir, TMP_DIR).expect("emptied");
    let live = |name: &str| named.iter().any(|file| file.name == name);
    for at in ["segments", "models"] {
        sweep(dir, at, &live).expect("swept");
    }
    let mut left: Vec<String> = walk(dir, "").expect("walks").into_iter().map(|f| f.0).collect();
    left.retain(|name| name != FORMAT_FILE);
    let mut expected: Vec<String> = named.iter().map(|file| file.name.clone()).collect();
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn every_power_cut_leaves_what_was_named() {
    let whole = CrashImageDirectory::new();
    let dir: Arc<dyn Directory> = Arc::new(whole.clone());
    script(&dir, &mut Vec::new(), &|| whole.steps()).expect("no fault, no error");
    let steps = whole.steps();
    assert!(whole.syncs() >= 5 && steps > 10, "{steps} steps, {} syncs", whole.syncs());

    let torn = (0..20).map(|seed| PowerCut::Torn { seed });
    let cuts: Vec<PowerCut> =
        [PowerCut::LoseAll, PowerCut::KeepNames].into_iter().chain(torn).collect();
    for step in 1..=steps + 1 {
        let crash = CrashImageDirectory::cut_before(step);
        let dir: Arc<dyn Directory> = Arc::new(crash.clone());
        let mut named = Vec::new();
        script(&dir, &mut named, &|| crash.steps()).expect("the script goes on unaware");
        assert_eq!(crash.is_cut(), step <= steps);
        // A commit that named a file did so after the file's last step.
        let acknowledged: Vec<FileRef> =
            named.into_iter().filter(|(_, at)| *at < step).map(|(file, _)| file).collect();
        for cut in &cuts {
            let image = crash.image(*cut);
            if step > 1 {
                let format = Format::read(&image).expect("sound").expect("written first");
                assert_eq!(format.id, DatabaseId([7; 16]));
            }
            is_recoverable(&image, &acknowledged);
        }
    }
}

#[test]
fn a_missing_sync_would_be_noticed() {
    // Guards the crash test itself: a rename without the syncs before and after it is not enough.
    let crash = CrashImageDirectory::new();
    crash.make_dir("d").expect("made");
    let mut file = crash.create("d/tmp").expect("created");
    file.write_all(b"bytes").expect("written");
    crash.rename("d/tmp", "d/file").expect("renamed");
    assert_eq!(crash.image(PowerCut::LoseAll).read("d/file").expect("read"), None);
    let kept = crash.image(PowerCut::KeepNames).read("d/file").expect("read");
    assert_eq!(kept.as_deref(), Some(&b""[..]));
    crash.sync_dir("d").expect("synced");
    let kept = crash.image(PowerCut::LoseAll).read("d/file").expect("read");
    assert_eq!(kept.as_deref(), Some(&b""[..]));
    file.sync().expect("synced");
    let kept = crash.image(PowerCut::LoseAll).read("d/file").expect("read");
    assert_eq!(kept.as_deref(), Some(&b"bytes"[..]));
}

#[test]
fn every_fault_is_a_clean_error() {
    let count = FaultDirectory::new(Arc::new(MemDirectory::new()));
    let dir: Arc<dyn Directory> = Arc::new(count.clone());
    script(&dir, &mut Vec::new(), &|| 0).expect("no fault, no error");
    let operations = count.operations();
    assert!(operations > 15, "{operations} operations");
    for nth in 1..=operations {
        for (fault, stays) in [(Fault::Io, false), (Fault::NoSpace, true)] {
            let disk = MemDirectory::new();
            let faulty = FaultDirectory::new(Arc::new(disk.clone()));
            if stays {
                faulty.fail_from(None, nth, fault);
            } else {
                faulty.fail(None, nth, fault);
            }
            let dir: Arc<dyn Directory> = Arc::new(faulty.clone());
            let mut named = Vec::new();
            let failed = script(&dir, &mut named, &|| 0).expect_err("the fault is reported");
            assert!(faulty.injected() >= 1);
            assert!(is_injected(&failed), "operation {nth}: {failed}");
            let named: Vec<FileRef> = named.into_iter().map(|(file, _)| file).collect();
            is_recoverable(&disk, &named);
            // The same work succeeds once the disk does.
            faulty.heal();
            script(&dir, &mut Vec::new(), &|| 0).expect("what a failure left is no obstacle");
        }
    }
}

#[test]
fn faults_can_be_aimed_at_one_kind() {
    let faulty = FaultDirectory::new(Arc::new(MemDirectory::new()));
    faulty.fail(Some(Op::Rename), 2, Fault::NoSpace);
    write(&faulty, "a", b"x").expect("not aimed at");
    faulty.rename("a", "b").expect("the first rename");
    let told = faulty.rename("b", "c").expect_err("the second rename");
    assert!(is_injected(&told));
    assert!(matches!(&told, Error::Io { source, op: "rename", .. }
        if source.kind() == std::io::ErrorKind::StorageFull));
    faulty.rename("b", "c").expect("the third rename");
    let real = faulty.rename("missing", "c").expect_err("missing");
    assert!(!is_injected(&real));
}

#[test]
fn a_file_that_goes_while_its_folder_is_listed_is_no_error() {
    let folder = tempfile::tempdir().expect("a directory");
    let dir = OsDirectory::open(folder.path()).expect("opens");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let done = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let paths: Vec<_> = (0..40).map(|at| folder.path().join(format!("f{at}"))).collect();
            while !done() {
                paths.iter().for_each(|path| std::fs::write(path, "x").expect("writes"));
                paths.iter().for_each(|path| std::fs::remove_file(path).expect("removes"));
            }
        });
        let listed: Vec<_> = (0..3000).map(|_| walk(&dir, "").map(|_| ())).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(listed.iter().all(Result::is_ok), "{:?}", listed.iter().find(|one| one.is_err()));
    });
}
