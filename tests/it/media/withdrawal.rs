//! A file that its owner takes back goes from every message of theirs, whatever ends on the way.

use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::{
    File, Gallery, Person, Room, SOON, eventually, media::media_path, server::Settings, store::StoreKind,
};

/// Messages that carry the file: more than are changed before anything else can happen.
const MANY: usize = 200;

/// A picture that ada showed very often, and bob who was there.
struct Scene {
    gallery: Gallery,
    ada: Person,
    bob: Person,
    room: Room,
    uploaded: Value,
}

impl Scene {
    /// Nobody looks but when the node starts for what others left half-way.
    async fn set() -> Self {
        let settings = |settings: Settings| settings.with("PARLOUR__MEDIA__SWEEP_SECONDS", "600");
        let gallery = Gallery::open_with(StoreKind::Local, settings).await;
        let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
        let room = ada.opens_a_group("pictures", &[&bob]).await;
        let uploaded = ada.uploads(&File::picture(1)).await;
        let socket = ada.connects().await;
        let send = |_| socket.emit_with_ack("send_message", json!({"room_id": room.id, "media_id": uploaded["id"]}));
        for ack in (0..MANY).map(send).collect::<Vec<_>>() {
            ack.ok().await;
        }
        Self { gallery, ada, bob, room, uploaded }
    }

    /// Has ada ask for the file to go; gives what waits for the answer.
    fn ask(&self) -> tokio::task::JoinHandle<()> {
        let request = self.ada.request(Method::DELETE, &media_path(&self.uploaded));
        tokio::spawn(async move { drop(request.try_send().await) })
    }

    /// How many messages carry the file.
    async fn carriers(&self) -> u64 {
        let db = self.gallery.app.server.database().await;
        let count = entity::attachment::Entity::find().count(&db).await.expect("the database answers");
        db.close().await.expect("it was open");
        count
    }

    async fn is_gone(&self) {
        self.ada.loads(&self.uploaded).await.refused("MEDIA_NOT_FOUND");
        for message in self.bob.history(&self.room).await {
            assert_eq!((&message["is_deleted"], &message["attachments"]), (&json!(true), &json!([])), "{message}");
        }
        self.gallery.becomes_empty().await;
    }
}

/// Catches a build that changes one message after the other in the request's own task: the rest would carry the file for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_whose_client_hangs_up_goes_on() {
    let scene = Scene::set().await;
    let mut hearing = scene.bob.enters(&scene.room).await;
    let asked = scene.ask();
    hearing.expect("message_deleted").await;
    asked.abort();
    for _ in 1..MANY {
        hearing.expect("message_deleted").await;
    }
    scene.is_gone().await;
}

/// Catches a build in which nobody goes on with what a process that was killed had begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_in_whose_middle_the_node_dies_is_finished_by_the_next() {
    let mut scene = Scene::set().await;
    let mut hearing = scene.bob.enters(&scene.room).await;
    let asked = scene.ask();
    hearing.expect("message_deleted").await;
    scene.gallery.app.server.kill_9();
    asked.abort();
    let left = scene.carriers().await;
    assert!(left > 0, "all of it was done before the node died: nothing is proved");
    scene.gallery.app.start_again().await;
    eventually(SOON * 3, "the rest is done", async || scene.carriers().await == 0).await;
    scene.is_gone().await;
}
