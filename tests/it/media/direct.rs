//! Uploading to the store without passing through the node: an address first, then the bytes, then a word that they are there.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    File, Gallery, SOON, eventually, int,
    media::{FILE_LIMIT, media_path, on_every_store, on_moto},
    picture, recording,
    store::StoreKind,
    text,
};

on_every_store!(
    a_file_sent_directly_is_a_file_like_any_other,
    bytes_that_are_not_what_was_said_are_thrown_away,
    an_address_takes_what_it_is_for,
    what_is_not_complete_cannot_be_shown,
    what_is_never_completed_is_swept,
    of_many_who_complete_an_upload_one_does,
);

// An object in one piece, one in parts, addresses for both ways, and their removal.
on_moto!(a_file_sent_directly_is_a_file_like_any_other);

async fn a_file_sent_directly_is_a_file_like_any_other(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let files = [
        File::new("drawing.png", "image/png", picture::png(900, 300)),
        File::new("sound – leise.wav", "audio/wav", recording::wav(700)),
        File::noise(4, 9_000_000),
    ];
    for file in files {
        let direct = ada.begins(&file).await;
        let stored = direct.sends(&ada.site, &file.bytes).await;
        assert!(stored.status.is_success(), "{}: {:?}", stored.status, stored.bytes);
        let completed = ada.completes(&direct).await.with_status(200);
        assert_eq!(completed["id"], direct.begun["media_id"]);
        let by_form = ada.uploads(&file).await;
        for field in ["filename", "size", "mime_type", "width", "height", "thumbhash", "duration_ms"] {
            assert_eq!(completed[field], by_form[field], "{field} of {}", file.name);
        }
        let again = ada.completes(&direct).await.with_status(200);
        assert_eq!((&again["id"], &again["size"]), (&completed["id"], &completed["size"]), "complete twice");
        let message = ada.shows(&room, &completed).await;
        assert_eq!(bob.site.sees(&text(&message, "media_url")).await, file.bytes);
        assert_eq!(bob.loads(&completed).await.ok(), file.bytes);
        if let Some(small) = completed["thumbnail_url"].as_str() {
            bob.site.sees(small).await;
        }
        for uploaded in [&completed, &by_form] {
            ada.delete(&media_path(uploaded)).await;
        }
        ada.takes_back(&message).await;
    }
    gallery.becomes_empty().await;
}

/// M12. What the store itself does not refuse, the node refuses when it looks at it.
async fn bytes_that_are_not_what_was_said_are_thrown_away(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let png = File::picture(1);
    let page = [picture::HTML, &vec![b' '; png.bytes.len() - picture::HTML.len()]].concat();
    let bomb = File::new("bomb.png", "image/png", picture::png_that_claims(50_000, 50_000));
    let wrong = [
        ("another type", png.clone(), page),
        ("fewer bytes", png.clone(), png.bytes[..png.bytes.len() - 9].to_vec()),
        ("more bytes", png.clone(), [&png.bytes[..], b"more"].concat()),
        ("none", png.clone(), Vec::new()),
        ("too many pixels", bomb.clone(), bomb.bytes.to_vec()),
    ];
    for (row, announced, bytes) in wrong {
        let direct = ada.begins(&announced).await;
        direct.sends(&ada.site, &bytes.into()).await;
        let reply = ada.completes(&direct).await;
        let expected = ["UNSUPPORTED_MEDIA_TYPE", "VALIDATION_ERROR", "INVALID_MEDIA", "IMAGE_TOO_LARGE"];
        assert!(expected.contains(&reply.outcome().as_str()), "M12 {row}: {reply}");
        ada.tries_to_send(&room, json!({"media_id": direct.begun["media_id"]})).await.refused("INVALID_MEDIA");
        ada.loads(&direct.media).await.refused("MEDIA_NOT_FOUND");
        gallery.becomes_empty().await;
    }
}

/// M12.
async fn an_address_takes_what_it_is_for(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let file = File::picture(1);
    let (one, other) = (ada.begins(&file).await, ada.begins(&file).await);
    let url = text(&one.begun, "upload_url");
    let (path, query) = url.split_once('?').expect("a signed address");
    let (other_path, _) =
        text(&other.begun, "upload_url").split_once('?').map(|(path, _)| (path.to_owned(), ())).unwrap();
    let unsigned = one.sends_to(&ada.site, path, &file.bytes, &[]).await;
    assert!(unsigned.status.is_client_error(), "M12 without its signature: {}", unsigned.status);
    let elsewhere = one.sends_to(&ada.site, &format!("{other_path}?{query}"), &file.bytes, &[]).await;
    assert!(elsewhere.status.is_client_error(), "M12 to another key: {}", elsewhere.status);
    if kind != StoreKind::Supabase {
        let typed = one.sends_to(&ada.site, &url, &file.bytes, &[("content-type", "text/html")]).await;
        assert_eq!(typed.status, 403, "M12 another type");
    }
    if kind == StoreKind::Local {
        let more = axum::body::Bytes::from([&file.bytes[..], b"more"].concat());
        let longer = one.sends_to(&ada.site, &url, &more, &[("content-length", &more.len().to_string())]).await;
        assert_eq!(longer.status, 403, "M12 another size");
    }
    let stored = one.sends(&ada.site, &file.bytes).await;
    assert!(stored.status.is_success(), "{}", stored.status);
    ada.completes(&one).await.with_status(200);
}

async fn what_is_not_complete_cannot_be_shown(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    let file = File::picture(1);
    let direct = ada.begins(&file).await;
    let message = json!({"media_id": direct.begun["media_id"]});
    ada.tries_to_send(&room, message.clone()).await.refused("INVALID_MEDIA");
    let early = ada.completes(&direct).await;
    assert!(["INVALID_MEDIA", "VALIDATION_ERROR"].contains(&early.outcome().as_str()), "nothing was sent: {early}");

    let direct = ada.begins(&file).await;
    let message = json!({"media_id": direct.begun["media_id"]});
    direct.sends(&ada.site, &file.bytes).await;
    ada.tries_to_send(&room, message.clone()).await.refused("INVALID_MEDIA");
    ada.loads(&direct.media).await.refused("MEDIA_NOT_FOUND");
    bob.completes(&direct).await.refused("MEDIA_NOT_FOUND");
    ada.completes(&direct).await.with_status(200);
    ada.tries_to_send(&room, message).await.with_status(201);
}

async fn what_is_never_completed_is_swept(kind: StoreKind) {
    let gallery = Gallery::open_with(kind, |settings| settings.with("PARLOUR__MEDIA__PENDING_SECONDS", "3")).await;
    let ada = gallery.app.user("ada").await;
    let file = File::picture(1);
    let forgotten = ada.begins(&file).await;
    forgotten.sends(&ada.site, &file.bytes).await;
    gallery.becomes_empty().await;
    eventually(SOON, "the upload is forgotten", async || ada.completes(&forgotten).await.status == 404).await;
    ada.completes(&forgotten).await.refused("MEDIA_NOT_FOUND");
    // what was completed stays
    let direct = ada.begins(&file).await;
    direct.sends(&ada.site, &file.bytes).await;
    ada.completes(&direct).await.with_status(200);
    let second = ada.begins(&file).await;
    eventually(SOON, "the later upload is forgotten", async || ada.completes(&second).await.status == 404).await;
    ada.loads(&direct.media).await.ok();
}

/// Catches a build that lets two requests write one file, and one that tells the second of them that there is none. Both seen.
async fn of_many_who_complete_an_upload_one_does(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let file = File::picture(1);
    let direct = ada.begins(&file).await;
    direct.sends(&ada.site, &file.bytes).await;
    let all = join_all((0..8).map(|_| ada.completes(&direct))).await;
    let outcomes: Vec<String> = all.iter().map(crate::support::Reply::outcome).collect();
    assert!(outcomes.iter().all(|outcome| ["OK", "CONFLICT"].contains(&outcome.as_str())), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "OK"), "{outcomes:?}");
    ada.completes(&direct).await.with_status(200);
    assert_eq!(ada.loads(&direct.media).await.ok(), file.bytes);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_before_it_is_sent() {
    let settings = |settings: crate::support::server::Settings| settings.with("PARLOUR__MEDIA__USER_BYTES", "30000000");
    let gallery = Gallery::open_with(StoreKind::Local, settings).await;
    let ada = gallery.app.user("ada").await;
    let limit = FILE_LIMIT.to_string();
    let (beyond, long) = ((FILE_LIMIT + 1).to_string(), "x".repeat(256));
    let rows = [
        (("a.png", "image/png", "0"), "VALIDATION_ERROR"),
        (("a.png", "image/png", "-1"), "VALIDATION_ERROR"),
        (("a.png", "image/png", "many"), "VALIDATION_ERROR"),
        (("a.png", "image/png", "99999999999999999999"), "VALIDATION_ERROR"),
        (("a.bin", "application/octet-stream", &beyond), "PAYLOAD_TOO_LARGE"),
        ((&long, "image/png", "9"), "VALIDATION_ERROR"),
        (("", "image/png", "9"), "VALIDATION_ERROR"),
        (("a.png", "image", "9"), "VALIDATION_ERROR"),
        (("a.png", "image/png\r\nx: y", "9"), "VALIDATION_ERROR"),
        (("a.tiff", "image/tiff", "9"), "UNSUPPORTED_MEDIA_TYPE"),
        (("a.bin", "application/octet-stream", &limit), "OK"),
        (("b.bin", "application/octet-stream", &limit), "QUOTA_EXCEEDED"),
    ];
    for ((name, mime_type, size), expected) in rows {
        let reply = ada.tries_to_begin(name, mime_type, size).await;
        assert_eq!(reply.outcome(), expected, "{name} {mime_type} {size}: {reply}");
    }
    for query in ["", "?mime_type=image/png&size=9", "?filename=a.png&size=0", "?filename=a.png&size=1.5"] {
        ada.get(&format!("/api/chat/upload/signed-url{query}")).await.refused("VALIDATION_ERROR");
    }
    assert_eq!(gallery.store.keys().await, Vec::<String>::new());
}

/// What is promised about an address: how, until when, and that its headers are all that is needed.
#[tokio::test]
async fn an_address_says_how_it_is_used() {
    for kind in [StoreKind::Local, StoreKind::S3, StoreKind::Supabase] {
        let gallery = Gallery::open(kind).await;
        let ada = gallery.app.user("ada").await;
        let file = File::picture(1);
        let direct = ada.begins(&file).await;
        assert_eq!(direct.begun["method"], "PUT", "{kind:?}");
        assert!(text(&direct.begun, "expires_at") > crate::support::clock::rfc3339_in(std::time::Duration::ZERO));
        let headers = direct.begun["headers"].as_object().expect("headers by their names");
        assert!(headers.values().all(Value::is_string), "{headers:?}");
        assert!(!headers.keys().any(|name| ["authorization", "apikey"].contains(&name.to_lowercase().as_str())));
        direct.sends(&ada.site, &file.bytes).await;
        assert_eq!(int(&ada.completes(&direct).await.with_status(200), "width"), 41);
    }
}
