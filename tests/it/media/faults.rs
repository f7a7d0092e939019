//! Stores that hang or are gone, and nodes that die: what was taken is there, and nothing else stays.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::RngExt;
use serde_json::Value;

use serde_json::json;

use crate::support::{
    App, File, Gallery, Person, SOON, Seed, Server, eventually, machine,
    media::{form, media_path, on_every_remote_store, on_every_store},
    outcome_of,
    server::Settings,
    store::{Store, StoreKind},
    within, workload,
};

on_every_remote_store!(
    a_store_that_hangs_delays_nobody_else,
    what_is_deleted_while_the_store_hangs_goes_later,
    an_upload_that_is_cut_off_is_there_or_is_not,
);
on_every_store!(a_store_that_is_gone_is_told_at_once);

/// How long an answer may take when the store gives none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for one of the files below and not for two: what was refused counts no longer.
fn room_for_one(settings: Settings) -> Settings {
    settings.with("PARLOUR__MEDIA__USER_BYTES", "150000")
}

fn a_file() -> File {
    File::noise(1, 100_000)
}

/// M15. What the store was to do is refused in time and leaves no row; messages go on meanwhile.
async fn a_store_that_hangs_delays_nobody_else(kind: StoreKind) {
    let gallery = Gallery::open_with(kind, room_for_one).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("chatty", &[&bob]).await;
    let direct = bob.begins(&a_file()).await;
    direct.sends(&bob.site, &a_file().bytes).await;
    gallery.store.stall();

    let file = a_file();
    let work = async {
        let begin = Instant::now();
        let (upload, completion) = tokio::join!(ada.tries_to_upload(&file), bob.completes(&direct));
        upload.refused("STORAGE_UNAVAILABLE");
        completion.refused("STORAGE_UNAVAILABLE");
        assert!(upload.header("retry-after").is_some(), "{upload}");
        begin.elapsed()
    };
    let mut writer = workload::Writer::new("bob");
    let socket = bob.connects().await;
    let (mut done, mut took) = (false, Duration::ZERO);
    let mut work = std::pin::pin!(within(SOON * 3, "M15: an answer", work));
    while !done {
        writer.send(&socket, &room, 1).await;
        tokio::select! {
            elapsed = &mut work => (done, took) = (true, elapsed),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    assert!(took <= PATIENCE, "M15: {took:?}");
    assert!(writer.slowest < Duration::from_secs(1), "a message waited {:?} for the store", writer.slowest);
    assert!(writer.sent.acked.len() > 2, "messages went on meanwhile");
    writer.sent.matches(&bob.history(&room).await);
    assert_eq!(gallery.app.site.get("/healthz").send().await.status, 200);

    gallery.store.resume();
    ada.uploads(&a_file()).await;
    bob.completes(&direct).await.with_status(200);
}

/// The same where nothing answers at all. A folder that is no longer one is such a store too.
async fn a_store_that_is_gone_is_told_at_once(kind: StoreKind) {
    let gallery = Gallery::open_with(kind, room_for_one).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("chatty", &[&bob]).await;
    let shown = bob.uploads(&a_file()).await;
    bob.shows(&room, &shown).await;
    gallery.store.cut();
    let begin = Instant::now();
    ada.tries_to_upload(&a_file()).await.refused("STORAGE_UNAVAILABLE");
    assert!(begin.elapsed() <= PATIENCE, "M15: {:?}", begin.elapsed());
    // the way to the file may still be told; its bytes may not
    let reply = ada.get(&media_path(&shown)).await;
    if reply.status != 307 {
        reply.refused("STORAGE_UNAVAILABLE");
    }
    ada.says(&room, "as if nothing had happened").await;
    let ready = gallery.app.site.get("/readyz").send().await.with_status(200);
    assert_eq!(ready["checks"]["storage"], "unreachable", "no reason to send traffic elsewhere: {ready}");
    gallery.store.resume();
    ada.uploads(&a_file()).await;
    assert_eq!(ada.loads(&shown).await.ok(), a_file().bytes);
}

async fn what_is_deleted_while_the_store_hangs_goes_later(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let (shown, unshown) = (ada.uploads(&File::picture(1)).await, ada.uploads(&File::picture(2)).await);
    let message = ada.shows(&room, &shown).await;
    gallery.store.stall();
    let begin = Instant::now();
    ada.takes_back(&message).await;
    ada.delete(&media_path(&unshown)).await.with_status(204);
    assert!(begin.elapsed() < Duration::from_secs(2), "a deletion waited {:?} for the store", begin.elapsed());
    for file in [&shown, &unshown] {
        ada.loads(file).await.refused("MEDIA_NOT_FOUND");
    }
    assert!(!gallery.store.keys().await.is_empty());
    gallery.store.resume();
    // what hung is given up first
    gallery.becomes_empty_within(SOON * 3).await;
}

/// Settings of a node that soon finds what its death left behind.
fn tidy(settings: Settings) -> Settings {
    settings.with("PARLOUR__MEDIA__PENDING_SECONDS", "5").with("PARLOUR__MEDIA__COMPARE_SECONDS", "2")
}

/// Files that were taken, by what was answered, and their sums.
#[derive(Default)]
struct Taken(Vec<(Value, Vec<u8>)>);

impl Taken {
    /// Uploads one file after another until `enough`; an upload without an answer may have been taken or not.
    async fn add(&mut self, person: &Person, seed: u64, length: usize, mut enough: impl FnMut() -> bool) {
        for number in 0.. {
            if enough() {
                return;
            }
            let file = File::noise(seed * 1_000 + number, length);
            let Ok(reply) = person.upload(form(&file, &[])).try_send().await else { return };
            match reply.status.as_u16() {
                201 => self.0.push((reply.json(), file.sha256())),
                _ => drop(reply.refused("STORAGE_UNAVAILABLE")),
            }
        }
    }

    /// Fails unless each of them is whole.
    async fn are_whole(&self, person: &Person) {
        for (uploaded, sha256) in &self.0 {
            let loaded = person.loads(uploaded).await;
            assert_eq!(loaded.status, 200, "{uploaded} was answered 201 and is not there");
            assert_eq!(&loaded.sha256(), sha256, "{uploaded} is not what was sent");
        }
    }
}

/// G13. Catches a build that answers before its bytes are on the disk under their name, one that writes them in place (so that
/// a half is found after a crash), and one that forgets what it had begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_that_was_taken_survives_twenty_kills() {
    const CYCLES: usize = 20;
    const LENGTH: usize = 4 * 1024 * 1024;
    let _share = machine::share().await;
    let mut rng = Seed::of("every_upload_that_was_taken_survives_twenty_kills").rng();
    let mut gallery = Gallery::open_with(StoreKind::Local, tidy).await;
    let people = gallery.app.crowd(3).await;
    let mut count = 0;
    for cycle in 0..CYCLES {
        let life = Duration::from_millis(rng.random_range(50..600));
        let mut taken: Vec<Taken> = people.iter().map(|_| Taken::default()).collect();
        let uploads = people.iter().zip(&mut taken).enumerate().map(|(index, (person, taken))| {
            let seed = u64::try_from(cycle * 10 + index).unwrap();
            taken.add(person, seed, LENGTH, || false)
        });
        let kill = async {
            tokio::time::sleep(life).await;
            gallery.app.server.kill_9();
        };
        within(SOON * 6, "a cycle", async { tokio::join!(kill, join_all(uploads)) }).await;
        gallery.app.start_again().await;
        for (person, taken) in people.iter().zip(&taken) {
            taken.are_whole(person).await;
            count += taken.0.len();
            for (uploaded, _) in &taken.0 {
                person.delete(&media_path(uploaded)).await.with_status(204);
            }
        }
    }
    assert!(count > CYCLES / 2, "{count} uploads are no load");
    // what was taken without an answer belongs to them as well
    for person in &people {
        person.goes_for_good().await;
    }
    gallery.becomes_empty_within(SOON * 3).await;
}

/// G13 for stores behind a network: the connection ends in the middle of an upload, again and again.
async fn an_upload_that_is_cut_off_is_there_or_is_not(kind: StoreKind) {
    const CYCLES: usize = 6;
    const LENGTH: usize = 8 * 1024 * 1024;
    let mut rng = Seed::of("an_upload_that_is_cut_off_is_there_or_is_not").rng();
    let gallery = Gallery::open_with(kind, tidy).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    for cycle in 0..CYCLES {
        let mut taken = Taken::default();
        let mut left = 3;
        let enough = || {
            left -= 1;
            left < 0
        };
        let pause = Duration::from_millis(rng.random_range(20..600));
        let cut = async {
            tokio::time::sleep(pause).await;
            gallery.store.cut();
            tokio::time::sleep(Duration::from_millis(200)).await;
            gallery.store.resume();
        };
        let uploads = taken.add(&ada, u64::try_from(cycle).unwrap(), LENGTH, enough);
        within(SOON * 6, "a cycle", async { tokio::join!(cut, uploads) }).await;
        taken.are_whole(&ada).await;
        for (uploaded, _) in &taken.0 {
            let message = ada.shows(&room, uploaded).await;
            ada.takes_back(&message).await;
        }
    }
    assert_eq!(ada.get(&room.path("/media")).await.with_status(200)["total"], 0, "no message is left with a file");
    ada.goes_for_good().await;
    eventually(SOON * 3, "no object is left", async || gallery.store.objects().await.is_empty()).await;
}

/// A node whose settings for its store are wrong says so when it starts, or on the first upload; it never loses a file.
#[tokio::test]
async fn a_store_that_knows_us_not_is_unavailable() {
    for (kind, key) in [(StoreKind::S3, "AWS_SECRET_ACCESS_KEY"), (StoreKind::Supabase, "SUPABASE_SECRET_KEY")] {
        let wrong = |settings: Settings| settings.with(key, "sb_secret_of_somebody_else_0123456789abc");
        let gallery = Gallery::open_with(kind, wrong).await;
        let ada = gallery.app.user("ada").await;
        let reply = ada.tries_to_upload(&a_file()).await;
        reply.refused("STORAGE_UNAVAILABLE");
        for secret in ["sb_secret_of_somebody_else", Server::settings().value("SECRET_KEY").unwrap()] {
            assert!(!gallery.app.server.log().contains(secret), "{kind:?}: the log has a secret");
            assert!(!reply.body.contains(secret));
        }
        assert_eq!(gallery.store.keys().await, Vec::<String>::new());
    }
}

/// A disk of its own, as large as this; gone with the value.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &str, size: &str) -> Self {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", at])
            .status()
            .expect("there is a program `mount`");
        assert!(mounted.success(), "root mounts {at}: {mounted}");
        Self(at.into())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-l".as_ref(), self.0.as_os_str()]).status();
    }
}

/// Catches a build that answers 500. Needs root, who alone mounts disks; the first file does not fit anywhere, the second only once.
#[tokio::test]
async fn a_full_disk_is_an_unavailable_store_and_leaves_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let store = Store::start(StoreKind::Local).await;
    let settings = store.settings(Server::settings().with("PARLOUR__MEDIA__SWEEP_SECONDS", "1"));
    let disk = SmallDisk::mount(settings.value("DATA_DIR").expect("a folder"), "16m");
    let app = App::with(settings).await;
    let ada = app.user("ada").await;
    let kept = ada.uploads(&File::noise(1, 100_000)).await;
    for length in [20_000_000, 9_000_000] {
        let reply = ada.tries_to_upload(&File::noise(2, length)).await;
        reply.refused("STORAGE_UNAVAILABLE");
        assert!(reply.header("retry-after").is_some(), "{reply}");
    }
    let small = File::noise(3, 100_000);
    let uploaded = ada.uploads(&small).await;
    assert_eq!(ada.loads(&uploaded).await.ok(), small.bytes);
    ada.loads(&kept).await.ok();
    eventually(SOON, "nothing is left of what did not fit", async || store.keys().await.len() == 2).await;
    drop((app, disk));
}

/// The same of messages, on SQLite: who is refused is told that nothing was stored, and nothing is. Catches a build that takes the
/// database's refusal for silence, after which nobody knows.
#[tokio::test]
async fn a_full_disk_takes_no_message_and_the_sender_knows() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let disk = SmallDisk::mount(&folder, "4m");
    let url = format!("sqlite://{folder}/chat.db");
    let app = App::with(Server::settings().with("DATABASE_URL", &url)).await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("room", &[]).await;
    let socket = ada.connects().await;
    let content = "x".repeat(3_000);
    let (mut stored, mut refused) = (0, 0);
    while refused < 20 {
        let sent = json!({"room_id": room.id, "content": content});
        let answer = socket.emit_with_ack("send_message", sent).answer().await;
        if answer["ok"] == true {
            assert!(refused == 0 && stored < 4_000, "the disk is full");
            stored += 1;
            continue;
        }
        assert_eq!(outcome_of(&answer), "SERVICE_UNAVAILABLE", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("nothing was stored"), "{answer}");
        refused += 1;
    }
    assert_eq!(ada.history(&room).await.len(), stored);
    drop((app, disk));
}
