//! Files go when nothing shows them any longer, and not before: from the answers at once, from the store soon.

use serde_json::{Value, json};

use crate::support::{
    File, Gallery, Person, Room, SOON, eventually, list,
    media::{media_path, on_every_store},
    store::StoreKind,
    text,
};

on_every_store!(
    a_file_goes_with_its_last_message,
    a_forward_keeps_the_file_of_a_deleted_original,
    a_room_takes_its_files_with_it,
    who_is_erased_takes_their_files_along,
    what_was_never_shown_goes_after_a_while,
);

/// Ada and bob in a room, and a picture that ada showed there.
struct Scene {
    gallery: Gallery,
    ada: Person,
    bob: Person,
    room: Room,
    file: File,
    uploaded: Value,
    message: Value,
}

impl Scene {
    async fn set(kind: StoreKind) -> Self {
        let gallery = Gallery::open(kind).await;
        let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
        let room = ada.opens_a_group("pictures", &[&bob]).await;
        let file = File::picture(1);
        let uploaded = ada.uploads(&file).await;
        let message = ada.shows(&room, &uploaded).await;
        Self { gallery, ada, bob, room, file, uploaded, message }
    }

    /// The same, soon: where it takes more than one message to let go of it.
    async fn goes(&self) {
        let is_gone = async || self.ada.loads(&self.uploaded).await.status == 404;
        eventually(SOON, "nobody loads it", is_gone).await;
        self.is_gone().await;
    }

    /// Nobody loads it, by whatever address.
    async fn is_gone(&self) {
        for person in [&self.ada, &self.bob] {
            person.loads(&self.uploaded).await.refused("MEDIA_NOT_FOUND");
        }
        for address in [&self.uploaded["url"], &self.uploaded["thumbnail_url"], &self.message["media_url"]] {
            let loaded = self.ada.site.load(address.as_str().expect("an address"), &[]).await;
            loaded.refused("MEDIA_NOT_FOUND");
        }
    }
}

async fn a_file_goes_with_its_last_message(kind: StoreKind) {
    let scene = Scene::set(kind).await;
    let Scene { gallery, ada, bob, room, .. } = &scene;
    let second = ada.shows(room, &scene.uploaded).await;
    ada.takes_back(&scene.message).await;
    bob.loads(&scene.uploaded).await.ok();
    assert_eq!(bob.site.sees(&text(&second, "media_url")).await, scene.file.bytes, "another message still shows it");

    let mut hearing = bob.enters(room).await;
    ada.takes_back(&second).await;
    hearing.expect("message_deleted").await;
    for message in bob.history(room).await {
        assert_eq!((&message["attachments"], &message["is_deleted"]), (&json!([]), &json!(true)), "{message}");
        for field in ["media_id", "media_url", "media_filename", "thumbnail_url"] {
            assert_eq!(message[field], Value::Null, "{field}");
        }
    }
    let log = json!(bob.log_of(room).await).to_string();
    assert!(!log.contains(&scene.file.name) && !log.contains(&text(&scene.uploaded, "id")), "{log}");
    scene.is_gone().await;
    gallery.becomes_empty().await;
}

async fn a_forward_keeps_the_file_of_a_deleted_original(kind: StoreKind) {
    let scene = Scene::set(kind).await;
    let Scene { gallery, ada, bob, .. } = &scene;
    let elsewhere = bob.opens_a_group("elsewhere", &[]).await;
    let forward = bob.forwards(&scene.message, &elsewhere).await;
    assert_eq!(forward["message_type"], "image");
    assert_eq!(forward["attachments"][0]["filename"], scene.file.name.as_str());
    ada.takes_back(&scene.message).await;
    assert_eq!(bob.site.sees(&text(&forward, "media_url")).await, scene.file.bytes);
    assert_eq!(bob.loads(&forward["attachments"][0]).await.ok(), scene.file.bytes);
    let again = bob.forwards(&forward, &elsewhere).await;
    bob.takes_back(&forward).await;
    assert_eq!(bob.site.sees(&text(&again, "media_url")).await, scene.file.bytes);
    bob.takes_back(&again).await;
    bob.loads(&forward["attachments"][0]).await.refused("MEDIA_NOT_FOUND");
    scene.is_gone().await;
    gallery.becomes_empty().await;
}

async fn a_room_takes_its_files_with_it(kind: StoreKind) {
    let scene = Scene::set(kind).await;
    let Scene { gallery, ada, bob, room, .. } = &scene;
    bob.shows(room, &bob.uploads(&File::picture(2)).await).await;
    let elsewhere = ada.opens_a_group("elsewhere", &[]).await;
    let kept = ada.forwards(&scene.message, &elsewhere).await;
    ada.delete(&room.path("")).await.ok();
    bob.loads(&scene.uploaded).await.refused("MEDIA_NOT_FOUND");
    ada.get(&room.path("/media")).await.refused("ROOM_NOT_FOUND");
    assert_eq!(ada.site.sees(&text(&kept, "media_url")).await, scene.file.bytes);
    ada.delete(&elsewhere.path("")).await.ok();
    scene.goes().await;
    gallery.becomes_empty().await;
}

async fn who_is_erased_takes_their_files_along(kind: StoreKind) {
    let scene = Scene::set(kind).await;
    let Scene { gallery, ada, bob, room, .. } = &scene;
    let his = File::picture(2);
    let shown = bob.shows(room, &bob.uploads(&his).await).await;
    bob.uploads(&File::picture(3)).await;
    bob.begins(&File::picture(4)).await.sends(&bob.site, &File::picture(4).bytes).await;
    bob.goes_for_good().await;
    eventually(SOON, "his picture is gone", async || ada.loads(&shown["attachments"][0]).await.status == 404).await;
    let listed = ada.get(&room.path("/media")).await.with_status(200);
    assert_eq!(list(&listed, "media").len(), 1);
    assert_eq!(ada.loads(&scene.uploaded).await.ok(), scene.file.bytes, "hers stays");
    ada.goes_for_good().await;
    gallery.becomes_empty().await;
}

async fn what_was_never_shown_goes_after_a_while(kind: StoreKind) {
    let gallery = Gallery::open_with(kind, |settings| settings.with("PARLOUR__MEDIA__UNUSED_SECONDS", "2")).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let kept = ada.uploads(&File::picture(1)).await;
    let message = ada.shows(&room, &kept).await;
    let forgotten = ada.uploads(&File::picture(2)).await;
    let (kept_id, forgotten_id) = (text(&kept, "id"), text(&forgotten, "id"));
    eventually(SOON, "what nothing shows is swept", async || ada.loads(&forgotten).await.status == 404).await;
    ada.tries_to_send(&room, json!({"media_id": forgotten_id})).await.refused("INVALID_MEDIA");
    ada.loads(&kept).await.ok();
    eventually(SOON, "its bytes go", async || {
        let keys = gallery.store.keys().await;
        keys.iter().any(|key| key.contains(&kept_id)) && !keys.iter().any(|key| key.contains(&forgotten_id))
    })
    .await;
    ada.takes_back(&message).await;
    gallery.becomes_empty().await;
}

/// Whoever takes a message down takes its file down; the uploader's own word counts for every message.
#[tokio::test]
async fn a_file_can_be_taken_from_under_its_messages() {
    let scene = Scene::set(StoreKind::Local).await;
    let Scene { gallery, ada, bob, room, .. } = &scene;
    let his = bob.shows(room, &bob.uploads(&File::picture(2)).await).await;
    bob.delete(&media_path(&scene.uploaded)).await.refused("PERMISSION_DENIED");
    ada.takes_back(&his).await;
    bob.loads(&his["attachments"][0]).await.refused("MEDIA_NOT_FOUND");

    let captioned = json!({"media_id": scene.uploaded["id"], "content": "with words"});
    let captioned = ada.tries_to_send(room, captioned).await.with_status(201);
    let paper = ada.uploads(&File::new("a.txt", "text/plain", "hello")).await;
    let several = json!({"attachments": [{"media_id": scene.uploaded["id"]}, {"media_id": paper["id"]}]});
    let several = ada.tries_to_send(room, several).await.with_status(201);
    let mut hearing = bob.enters(room).await;
    ada.delete(&media_path(&scene.uploaded)).await.with_status(204);
    scene.is_gone().await;
    // A message without anything left is gone, in every answer and every log.
    let deleted = hearing.expect("message_deleted").await;
    assert_eq!(deleted["message_id"], scene.message["id"]);
    let message = ada.get(&format!("/api/chat/messages/{}", text(&scene.message, "id"))).await.with_status(200);
    assert_eq!((&message["attachments"], &message["media_url"]), (&json!([]), &Value::Null), "{message}");
    assert_eq!((&message["is_deleted"], &message["content"]), (&json!(true), &Value::Null), "{message}");
    // Words are left, or another file: the message is what these are.
    for (message, kind, files) in [(&captioned, "text", 0), (&several, "file", 1)] {
        let left = ada.get(&format!("/api/chat/messages/{}", text(message, "id"))).await.with_status(200);
        assert_eq!((&left["is_deleted"], &left["content"]), (&json!(false), &message["content"]), "{left}");
        assert_eq!((&left["message_type"], list(&left, "attachments").len()), (&json!(kind), files), "{left}");
    }
    ada.takes_back(&several).await;
    let listed = bob.get(&room.path("/media")).await.with_status(200);
    assert_eq!(listed["media"], json!([]));
    gallery.becomes_empty().await;
}

/// A direct room: what one sent, the other may load; nobody else, whatever they forward.
#[tokio::test]
async fn a_forward_shows_a_file_to_those_it_is_forwarded_to() {
    let scene = Scene::set(StoreKind::Local).await;
    let Scene { gallery, ada, bob, .. } = &scene;
    let [cyd, dan] = gallery.app.users(["cyd", "dan"]).await;
    cyd.loads(&scene.uploaded).await.refused("MEDIA_NOT_FOUND");
    let direct = bob.opens_a_direct_room_with(&cyd).await;
    let forward = bob.forwards(&scene.message, &direct).await;
    let file = &forward["attachments"][0];
    assert_eq!(cyd.loads(file).await.ok(), scene.file.bytes);
    dan.loads(file).await.refused("MEDIA_NOT_FOUND");
    cyd.delete(&media_path(file)).await.refused("PERMISSION_DENIED");
    let foreign = json!({"forwarded_from_id": scene.message["id"]});
    let dans = dan.opens_a_group("elsewhere", &[]).await;
    dan.tries_to_send(&dans, foreign).await.refused("INVALID_REFERENCE");
    ada.removes(bob, &scene.room).await;
    assert_eq!(bob.loads(file).await.ok(), scene.file.bytes, "what he forwarded is in a room of his");
}
