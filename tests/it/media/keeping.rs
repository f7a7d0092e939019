//! Pictures of people and rooms, and what becomes of files that the store and the database do not both know.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::support::{
    File, Gallery, Person, SOON, eventually, list,
    media::{media_path, on_every_store},
    server::Settings,
    store::StoreKind,
    text,
};

on_every_store!(a_picture_is_somebodys_until_another_takes_its_place,);

async fn a_picture_is_somebodys_until_another_takes_its_place(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let (first, second) = (ada.uploads(&File::picture(1)).await, ada.uploads(&File::picture(2)).await);
    let looks = async |picture: &Value| {
        let user = ada.patch("/api/users/me", json!({"avatar_url": picture["url"]})).await.with_status(200);
        text(&user, "avatar_url")
    };
    let address = looks(&first).await;
    bob.site.sees(&address).await;
    let seen = bob.get(&format!("/api/users/{}", ada.id)).await.with_status(200);
    bob.site.sees(&text(&seen, "avatar_url")).await;
    // What was shown may be sent back, and changes nothing.
    ada.patch("/api/users/me", json!({"avatar_url": seen["avatar_url"]})).await.with_status(200);
    bob.site.sees(&address).await;

    let newer = looks(&second).await;
    bob.site.sees(&newer).await;
    // Others still show the old one.
    bob.site.sees(&address).await;

    bob.patch("/api/users/me", json!({"avatar_url": second["url"]})).await.refused("INVALID_MEDIA");
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let third = ada.uploads(&File::picture(3)).await;
    let changed = ada.patch(&room.path(""), json!({"avatar_url": third["url"]})).await.with_status(200);
    bob.site.sees(&text(&changed, "avatar_url")).await;
    ada.delete(&room.path("")).await.with_status(204);
    bob.site.load(&text(&changed, "avatar_url"), &[]).await.refused("MEDIA_NOT_FOUND");

    ada.goes_for_good().await;
    bob.site.load(&newer, &[]).await.refused("MEDIA_NOT_FOUND");
    gallery.becomes_empty().await;
}

/// An address for everybody is that of a picture: a file that is no longer one is not loaded by it.
#[tokio::test]
async fn a_picture_that_is_shown_in_a_room_is_not_everybodys() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let picture = ada.uploads(&File::picture(1)).await;
    let user = ada.patch("/api/users/me", json!({"avatar_url": picture["url"]})).await.with_status(200);
    ada.shows(&room, &picture).await;
    ada.patch("/api/users/me", json!({"avatar_url": null})).await.with_status(200);
    ada.site.load(&text(&user, "avatar_url"), &[]).await.refused("MEDIA_NOT_FOUND");
    ada.loads(&picture).await.ok();
}

fn comparing(settings: Settings) -> Settings {
    settings.with("PARLOUR__MEDIA__COMPARE_SECONDS", "1").with("PARLOUR__MEDIA__PENDING_SECONDS", "1")
}

/// A file of nobody, as old as can be.
fn lay(folder: &Path, number: u32) {
    let place = folder.join("files");
    fs::create_dir_all(&place).expect("a folder for files");
    let path = place.join(format!("0199d1c6-7a4e-7cc3-9d5a-{number:012x}"));
    let file = fs::File::create(path).expect("a name of its own");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)).expect("its time can be set");
}

async fn keeps_one(gallery: &Gallery) -> (Person, Value) {
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let uploaded = ada.uploads(&File::new("a.txt", "text/plain", "what is known stays")).await;
    ada.shows(&room, &uploaded).await;
    (ada, uploaded)
}

#[tokio::test]
async fn what_no_row_knows_leaves_the_store() {
    let gallery = Gallery::open_with(StoreKind::Local, comparing).await;
    let (ada, uploaded) = keeps_one(&gallery).await;
    for number in 0..3 {
        lay(&gallery.store.folder(), number);
    }
    eventually(SOON, "the files of nobody are gone", async || gallery.store.keys().await.len() == 1).await;
    ada.loads(&uploaded).await.ok();
}

/// A database that was set up anew, or another one's bucket. Catches a build that takes all that it does not know for its own to
/// remove. Seen.
#[tokio::test]
async fn a_store_full_of_strange_files_is_left_alone() {
    let gallery = Gallery::open_with(StoreKind::Local, comparing).await;
    let (ada, uploaded) = keeps_one(&gallery).await;
    for number in 0..40 {
        lay(&gallery.store.folder(), number);
    }
    eventually(SOON, "the log tells of them", async || gallery.app.server.log().contains("another database")).await;
    assert_eq!(gallery.store.keys().await.len(), 41);
    ada.loads(&uploaded).await.ok();
}

/// A disk that lost a file: nothing shows it any longer, and its message stays.
#[tokio::test]
async fn a_file_that_the_store_lost_leaves_its_message() {
    let gallery = Gallery::open_with(StoreKind::Local, comparing).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let mut files = Vec::new();
    for number in 0..3 {
        let uploaded = ada.uploads(&File::picture(number)).await;
        ada.shows(&room, &uploaded).await;
        files.push(uploaded);
    }
    let lost = gallery.store.folder().join("files").join(text(&files[1], "id"));
    fs::remove_file(lost).expect("the file is there");
    let carried = async || {
        let history = ada.history(&room).await;
        history.iter().map(|message| list(message, "attachments").len()).collect::<Vec<_>>()
    };
    eventually(SOON, "nothing shows it", async || carried().await == [1, 0, 1]).await;
    ada.loads(&files[0]).await.ok();
    ada.loads(&files[1]).await.refused("MEDIA_NOT_FOUND");
    ada.delete(&media_path(&files[1])).await.refused("MEDIA_NOT_FOUND");
}
