//! Addresses of files: what they begin with, for whom they are, and how long.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::support::{
    App, File, Gallery, Person, Room, Server, Transport,
    media::{form, media_path},
    server::Settings,
    store::StoreKind,
    text,
};

/// A node that listens on all addresses, as in a container: what it listens on says nothing of how clients reach it.
async fn everywhere(more: impl FnOnce(Settings) -> Settings) -> App {
    let app = App::with(more(Server::settings().with("HOST", "0.0.0.0"))).await;
    app.site.moved_to((Ipv4Addr::LOCALHOST, app.site.addr().port()).into());
    app
}

/// Everything that begins like an address of a file in an answer.
fn addresses(answer: &Value) -> Vec<String> {
    let text = answer.to_string();
    let strings =
        text.split('"').filter(|text| text.contains("/api/chat/media/") || text.contains("/api/chat/upload/"));
    strings.map(str::to_owned).collect()
}

fn all_begin(answer: &Value, origin: &str, count: usize, what: &str) {
    let found = addresses(answer);
    assert!(found.len() >= count, "{what} has {count} addresses: {answer}");
    for url in found {
        assert!(url.starts_with(&format!("{origin}/api/chat/")), "{what}: {url} begins with {origin}");
    }
}

async fn with_avatar(person: &Person) {
    let picture = person.uploads(&File::picture(9)).await;
    person.patch("/api/users/me", json!({"avatar_url": picture["url"]})).await.with_status(200);
}

/// Catches a build whose addresses say `localhost`, or the name by which somebody else came.
#[tokio::test]
async fn an_address_begins_with_the_name_by_which_its_client_came() {
    let app = everywhere(|settings| settings).await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    with_avatar(&ada).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let here = app.site.url("");
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut hearing = bob.connects_by(transport, json!({"rooms": "all"})).await;
        hearing.ask("ping", json!({})).await;
        // Another name, as a proxy passes it on that is not ours.
        let upload = ada.upload(form(&File::picture(1), &[])).header("host", "chat.example:8443");
        let upload = upload.header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https");
        let uploaded = upload.send().await.with_status(201);
        all_begin(&uploaded, "http://chat.example:8443", 2, "an upload");
        let sent = json!({"room_id": room.id, "media_url": uploaded["url"]});
        let message = ada.post("/api/chat/messages", sent.clone()).await.with_status(201);
        all_begin(&message, &here, 3, "a message");
        // What he hears begins with the name by which he came, though it was sent by another.
        let heard = hearing.expect("new_message").await;
        all_begin(&heard, &here, 3, "an event");
        let acked = hearing.ask("sync", json!({"cursors": {(room.id.as_str()): 0}})).await;
        all_begin(&acked, &here, 3, "an ack");
        assert_eq!(bob.site.sees(&text(&heard["message"], "media_url")).await, File::picture(1).bytes);
    }
    let named = |path: &str| ada.request(reqwest::Method::GET, path).header("host", "chat.example");
    for path in [
        "/api/chat/rooms",
        "/api/users/me",
        &room.path(""),
        &room.path("/messages"),
        &room.path("/media"),
        &room.path("/export"),
    ] {
        let reply = named(path).send().await;
        assert!(reply.body.contains("\"http://chat.example/api/chat/media/"), "{path}: {reply}");
        assert!(!reply.body.contains("origin-") && !reply.body.contains("localhost"), "{path}: {reply}");
    }
    let begun = named("/api/chat/upload/signed-url?filename=a.txt").send().await.with_status(200);
    all_begin(&begun, "http://chat.example", 2, "a direct upload");
}

/// The proxy's word counts where it is trusted, and what the configuration says always.
#[tokio::test]
async fn what_a_trusted_proxy_says_counts_and_public_url_before_it() {
    let trusting = |settings: Settings| settings.with("TRUSTED_PROXIES", "127.0.0.0/8");
    for (settings, origin) in [
        (Server::settings(), None),
        (trusting(Server::settings()), Some("https://chat.example")),
        (trusting(Server::settings()).with("PUBLIC_URL", "https://public.example"), Some("https://public.example")),
    ] {
        let app = App::with(settings).await;
        let ada = app.user("ada").await;
        let here = app.site.url("");
        let upload = ada.upload(form(&File::picture(1), &[])).header("x-forwarded-host", "chat.example");
        let upload = upload.header("x-forwarded-proto", "https");
        let uploaded = upload.send().await.with_status(201);
        all_begin(&uploaded, origin.unwrap_or(&here), 2, "an upload");
    }
}

/// Any form in which it was given names the file; the same elsewhere does not.
#[tokio::test]
async fn an_address_can_be_sent_back_as_it_was_given_and_only_so() {
    let app = everywhere(|settings| settings).await;
    let ada = app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let (here, port) = (app.site.url(""), app.site.addr().port());
    let named = ada.upload(form(&File::picture(1), &[])).header("host", "chat.example").send().await.with_status(201);
    let url = text(&named, "url");
    let path = url.strip_prefix("http://chat.example").expect("it begins so").to_owned();
    let plain = ada.uploads(&File::picture(2)).await;
    for good in [url.clone(), path.clone(), text(&plain, "url")] {
        let message = json!({"room_id": room.id, "media_url": good});
        ada.post("/api/chat/messages", message).await.with_status(201);
    }
    for origin in [
        "https://evil.example",
        "http://chat.example.evil",
        "https://chat.example",
        &format!("http://localhost:{port}"),
        &here,
        "javascript:",
        "//evil.example",
    ] {
        let message = json!({"room_id": room.id, "media_url": format!("{origin}{path}")});
        ada.post("/api/chat/messages", message).await.refused("INVALID_MEDIA");
        ada.patch("/api/users/me", json!({"avatar_url": format!("{origin}{path}")})).await.with_status(422);
    }
}

/// A page that stays open all day keeps its pictures, and shows them to nobody who lost the right to see them.
#[tokio::test]
async fn an_address_lives_for_a_day_and_not_longer_than_its_readers_right() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let [ada, bob, cyd, dan] = gallery.app.users(["ada", "bob", "cyd", "dan"]).await;
    let room = ada.opens_a_group("pictures", &[&bob, &cyd, &dan]).await;
    let uploaded = ada.uploads(&File::picture(1)).await;
    let message = ada.shows(&room, &uploaded).await;
    let url_of = async |person: &Person| {
        let seen = person.get(&format!("/api/chat/messages/{}", text(&message, "id"))).await.with_status(200);
        let url = text(&seen, "media_url");
        person.site.sees(&url).await;
        url
    };
    let (bobs, cyds, dans) = (url_of(&bob).await, url_of(&cyd).await, url_of(&dan).await);
    let link = ada.get(&format!("{}/download", media_path(&uploaded))).await.with_status(200);
    let (_, end) = bobs.split_once("expires=").expect("it says when it ends");
    let end: u64 = end.split('&').next().unwrap().parse().expect("seconds");
    let left = end - std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((86_300..=86_400).contains(&left), "it lives for {left} s");
    assert!(text(&link, "expires_at") > crate::support::clock::rfc3339_in(std::time::Duration::from_secs(86_300)));

    bob.delete("/api/users/me").await.with_status(204);
    ada.removes(&cyd, &room).await;
    ada.put(&room.path(&format!("/bans/{}", dan.id)), json!({})).await.ok();
    for url in [bobs, cyds, dans] {
        ada.site.load(&url, &[]).await.refused("MEDIA_NOT_FOUND");
    }
}

/// What others have on their screens still shows the picture that another one took the place of.
#[tokio::test]
async fn a_replaced_picture_loads_for_a_while() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room: Room = ada.opens_a_group("pictures", &[&bob]).await;
    let mut shown = Vec::new();
    for number in 1..=3 {
        let picture = ada.uploads(&File::picture(number)).await;
        ada.patch("/api/users/me", json!({"avatar_url": picture["url"]})).await.with_status(200);
        let of_room = ada.uploads(&File::picture(number + 10)).await;
        ada.patch(&room.path(""), json!({"avatar_url": of_room["url"]})).await.with_status(200);
        let seen = bob.get(&room.path("")).await.with_status(200);
        shown.push(text(&seen, "avatar_url"));
        let user = bob.get(&format!("/api/users/{}", ada.id)).await.with_status(200);
        shown.push(text(&user, "avatar_url"));
    }
    for url in &shown {
        bob.site.sees(url).await;
    }
    // Taken away by its owner it is gone at once.
    ada.goes_for_good().await;
    for url in shown.iter().skip(1).step_by(2) {
        bob.site.load(url, &[]).await.refused("MEDIA_NOT_FOUND");
    }
}
