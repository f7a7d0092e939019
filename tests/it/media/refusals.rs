//! Files that are not taken: section M of the threat table. Nothing of them stays in the store.

use std::time::{Duration, Instant};

use futures_util::{future::join_all, stream};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    App, File, Gallery, Person, SOON, Server, int, machine,
    media::{FILE_LIMIT, closing, form, form_type, on_every_store, on_moto, opening},
    picture,
    server::Settings,
    store::StoreKind,
    text, within,
};

on_every_store!(
    a_file_that_is_not_what_it_says_is_refused,
    a_picture_too_large_to_decode_is_refused_at_once,
    a_file_that_is_too_large_leaves_nothing,
    a_body_that_is_no_form_with_a_file_is_refused,
    a_quota_is_kept_even_by_uploads_at_once,
);

// Parts that were begun and are not completed.
on_moto!(a_file_that_is_too_large_leaves_nothing);

/// M3 and M6: files that are refused as `UNSUPPORTED_MEDIA_TYPE`: pages and scripts that call themselves a picture, a sound or a
/// film, and what has harmed many who decoded it.
fn lies() -> Vec<File> {
    let wide: Vec<u8> = "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        File::new("page.png", "image/png", picture::HTML),
        File::new("page.png", "text/html", picture::HTML),
        File::new("page", "image/png", picture::HTML),
        File::new("drawing.svg", "image/png", picture::SVG),
        File::new("drawing.png", "image/svg+xml", picture::SVG),
        File::new("page.mp3", "audio/mpeg", picture::HTML),
        File::new("page.mp4", "", picture::HTML),
        File::new("page", "video/webm", picture::HTML),
        File::new("page.gif", "*/*", wide),
        File::new("page.jpg", "image/jpeg", picture::XML),
        File::new("both.gif", "image/gif", "GIF89a/*<script>alert(1)</script>*/"),
        File::new("both.png", "image/png", [b"\x89PNG\r\n\x1a\n\0\0\0\0".as_slice(), picture::HTML].concat()),
        File::new("script.js", "image/png", "alert(document.domain)"),
        File::new("script.png", "text/javascript", "const a = document.cookie"),
        File::new("script.png", "image/png", "<?php system($_GET['c']); ?>"),
        File::new("script.wav", "audio/wav", "#!/bin/sh\n"),
        File::new("drawing.tiff", "image/tiff", picture::tiff()),
        File::new("drawing.bin", "application/octet-stream", picture::tiff()),
        File::new("drawing.psd", "image/vnd.adobe.photoshop", picture::PSD),
        File::new("drawing.eps", "application/postscript", picture::EPS),
        File::new("drawing.txt", "text/plain", picture::EPS),
    ]
}

async fn a_file_that_is_not_what_it_says_is_refused(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    for file in lies() {
        let reply = ada.tries_to_upload(&file).await;
        assert_eq!(reply.outcome(), "UNSUPPORTED_MEDIA_TYPE", "{} as {}: {reply}", file.name, file.mime_type);
        reply.refused("UNSUPPORTED_MEDIA_TYPE");
    }
    gallery.comes_back_to(&[]).await;
}

async fn a_picture_too_large_to_decode_is_refused_at_once(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    for (width, height) in [(50_000, 50_000), (u32::MAX >> 1, 1_000), (1_000_000, 1_000)] {
        let bomb = File::new("bomb.png", "image/png", picture::png_that_claims(width, height));
        let begin = Instant::now();
        ada.tries_to_upload(&bomb).await.refused("IMAGE_TOO_LARGE");
        assert!(begin.elapsed() < Duration::from_secs(3), "{width}x{height}: {:?}", begin.elapsed());
    }
    let begin = Instant::now();
    let endless = File::new("endless.gif", "image/gif", picture::gif(100_000));
    let reply = ada.tries_to_upload(&endless).await;
    assert!(["UNSUPPORTED_MEDIA_TYPE", "IMAGE_TOO_LARGE"].contains(&reply.outcome().as_str()), "M6: {reply}");
    assert!(begin.elapsed() < Duration::from_secs(5), "M6: {:?}", begin.elapsed());
    gallery.comes_back_to(&[]).await;
}

/// M4. As one body, in chunks without a length, with a length that is too small, and with one that is too large.
async fn a_file_that_is_too_large_leaves_nothing(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let largest = File::noise(1, FILE_LIMIT);
    let uploaded = ada.uploads(&largest).await;
    assert_eq!(int(&uploaded, "size"), i64::try_from(FILE_LIMIT).unwrap());
    let before = gallery.store.keys().await;

    let larger = File::noise(2, FILE_LIMIT + 1);
    ada.tries_to_upload(&larger).await.refused("PAYLOAD_TOO_LARGE");
    let chunks: Vec<_> = form(&larger, &[]).chunks(1 << 20).map(|chunk| Ok::<_, String>(chunk.to_vec())).collect();
    let chunked = reqwest::Body::wrap_stream(stream::iter(chunks));
    ada.upload(chunked).send().await.refused("PAYLOAD_TOO_LARGE");
    gallery.comes_back_to(&before).await;
}

/// M4. A body that is longer than it says is cut where it says. One that is shorter ends in the middle of the file, which is not
/// taken for whole then.
#[tokio::test]
async fn a_false_length_is_no_way_around_the_limit() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let file = File::noise(3, 100_000);
    for length in [1_000, 50_000, FILE_LIMIT * 2, usize::MAX >> 1] {
        let status = upload_by_hand(&ada, &file, length).await;
        assert!([0, 400, 413, 422].contains(&status), "a length of {length} is answered {status}");
    }
    gallery.comes_back_to(&[]).await;
    ada.uploads(&file).await;
}

/// The status of an upload whose `Content-Length` is this; 0 when the connection ends without any.
async fn upload_by_hand(person: &Person, file: &File, length: usize) -> u16 {
    let mut stream = TcpStream::connect(person.site.addr()).await.unwrap();
    let head = format!(
        "POST /api/chat/upload HTTP/1.1\r\nHost: parlour.test\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{}",
        person.token,
        form_type(),
        opening(file)
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&file.bytes).await;
    if length < file.bytes.len() {
        let _ = stream.write_all(closing().as_bytes()).await;
    }
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = within(SOON * 2, "an answer, or an end", stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// M8.
async fn a_body_that_is_no_form_with_a_file_is_refused(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    ada.tries_to_upload(&File::new("empty.txt", "text/plain", "")).await.refused("VALIDATION_ERROR");
    let boundary = form_type().split_once('=').unwrap().1.to_owned();
    let without = [
        (
            "another field",
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"picture\"\r\n\r\nx\r\n--{boundary}--\r\n"),
        ),
        ("no part", format!("--{boundary}--\r\n")),
        ("no body", String::new()),
        ("an end in the middle", opening(&File::picture(1))),
        ("no form at all", "hello".to_owned()),
    ];
    for (row, body) in without {
        let reply = ada.upload(body).send().await;
        assert_eq!(reply.outcome(), "VALIDATION_ERROR", "{row}: {reply}");
    }
    ada.post("/api/chat/upload", json!({"file": "aGVsbG8="})).await.refused("UNSUPPORTED_MEDIA_TYPE");
    gallery.comes_back_to(&[]).await;
}

/// M9. Each fits, two do not.
async fn a_quota_is_kept_even_by_uploads_at_once(kind: StoreKind) {
    let gallery = Gallery::open_with(kind, |settings| settings.with("PARLOUR__MEDIA__USER_BYTES", "100000")).await;
    let [ada, bob] = gallery.app.users(["ada", "bob"]).await;
    let files: Vec<_> = (0..6).map(|seed| File::noise(seed, 60_000)).collect();
    let replies = join_all(files.iter().map(|file| ada.tries_to_upload(file))).await;
    let taken: Vec<_> = replies.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(taken.len(), 1, "{:?}", replies.iter().map(|reply| reply.outcome()).collect::<Vec<_>>());
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        reply.refused("QUOTA_EXCEEDED");
    }
    bob.uploads(&files[0]).await;
    let first = taken[0].json();
    ada.delete(&format!("/api/chat/media/{}", text(&first, "id"))).await.with_status(204);
    crate::support::eventually(SOON, "what was deleted counts no longer", async || {
        ada.tries_to_upload(&files[1]).await.status == 201
    })
    .await;
}

#[tokio::test]
async fn the_twenty_first_upload_of_a_minute_waits() {
    let gallery = Gallery::open_with(StoreKind::Local, Settings::with_limits).await;
    let ada = gallery.app.user("ada").await;
    for number in 1..=20 {
        ada.uploads(&File::new("a.txt", "text/plain", format!("file {number}"))).await;
    }
    let kept = gallery.store.keys().await;
    let reply = ada.tries_to_upload(&File::new("a.txt", "text/plain", "one more")).await;
    reply.refused("RATE_LIMITED");
    let wait: u64 = reply.header("retry-after").expect("M9: Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "M9: {wait} s");
    let direct = "/api/chat/upload/signed-url?filename=a.txt&mime_type=text/plain&size=5";
    ada.get(direct).await.refused("RATE_LIMITED");
    assert_eq!(gallery.store.keys().await, kept);
}

/// A room that the file is for is checked before its bytes are read, wherever in the form it stands.
#[tokio::test]
async fn who_may_not_send_to_a_room_uploads_nothing_for_it() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let [ada, bob, eve] = gallery.app.users(["ada", "bob", "eve"]).await;
    let room = ada.opens_a_group("pictures", &[&bob]).await;
    ada.makes(&bob, "viewer", &room).await;
    let file = File::picture(1);
    bob.tries_to_upload_for(&room.id, &file).await.refused("PERMISSION_DENIED");
    eve.tries_to_upload_for(&room.id, &file).await.refused("ROOM_NOT_FOUND");
    ada.tries_to_upload_for("0199d1c6-7a4e-7cc3-9d5a-000000000001", &file).await.refused("ROOM_NOT_FOUND");
    ada.tries_to_upload_for("the lobby", &file).await.refused("VALIDATION_ERROR");
    let mut file_first = opening(&file).into_bytes();
    file_first.extend(&file.bytes);
    let field = format!(
        "\r\n{}\r\nContent-Disposition: form-data; name=\"room_id\"\r\n\r\n{}{}",
        closing().trim().trim_end_matches("--"),
        room.id,
        closing()
    );
    file_first.extend(field.as_bytes());
    bob.upload(file_first.clone()).send().await.refused("PERMISSION_DENIED");
    gallery.comes_back_to(&[]).await;
    ada.upload(file_first).send().await.with_status(201);
    ada.tries_to_upload_for(&room.id, &file).await.with_status(201);
}

#[tokio::test]
async fn nobody_uploads_without_a_token() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let site = &gallery.app.site;
    let file = File::picture(1);
    for path in ["/api/chat/upload", "/api/chat/media/0199d1c6-7a4e-7cc3-9d5a-000000000001/complete"] {
        let request = site.post(path).header("content-type", &form_type()).body(form(&file, &[]));
        request.send().await.refused("UNAUTHORIZED");
    }
    site.get("/api/chat/upload/signed-url?filename=a&mime_type=text/plain&size=1").send().await.refused("UNAUTHORIZED");
    let path = "/api/chat/media/0199d1c6-7a4e-7cc3-9d5a-000000000001";
    site.request(Method::DELETE, path).send().await.refused("UNAUTHORIZED");
    assert_eq!(gallery.store.keys().await, Vec::<String>::new());
}

/// M4. The bounds are an eighth and a fifth of these files: an upload is passed on, not collected. The bound is on the peak, from after the first
/// one: decoders, pools and threads are there by then. Catches a build that lets all of them hold a part for S3 at once.
/// Seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_large_uploads_at_once_cost_little_memory() {
    for (kind, most_mib) in [(StoreKind::Local, 64), (StoreKind::S3, 100)] {
        twenty_large_uploads(kind, most_mib * 1024).await;
    }
}

async fn twenty_large_uploads(kind: StoreKind, most_kib: u64) {
    let _share = machine::share().await;
    let gallery = Gallery::open(kind).await;
    let people = gallery.app.crowd(20).await;
    let file = File::noise(9, FILE_LIMIT);
    people[0].uploads(&file).await;
    let before = gallery.app.server.peak_rss_kib();
    let uploads = join_all(people.iter().map(async |person| {
        let head = axum::body::Bytes::from(opening(&file));
        let end = axum::body::Bytes::from(closing());
        let pieces = [head, file.bytes.clone(), end].map(Ok::<_, String>);
        let reply = person.upload(reqwest::Body::wrap_stream(stream::iter(pieces))).try_send_in_time().await;
        reply.expect("an answer").with_status(201)
    }));
    let uploaded = within(SOON * 12, "twenty uploads", uploads).await;
    let grown = gallery.app.server.peak_rss_kib().saturating_sub(before);
    println!("{kind:?}: 20 uploads of 25 MiB at once: the peak grew by {grown} KiB from {before} KiB");
    assert!(grown < most_kib, "{kind:?}: the peak grew by {grown} KiB from {before} KiB");
    for uploaded in &uploaded {
        assert_eq!(int(uploaded, "size"), i64::try_from(FILE_LIMIT).unwrap());
    }
    let loaded = people[7].loads(&uploaded[7]).await;
    assert_eq!(loaded.sha256(), file.sha256());
}

/// The node works without any setting for media.
#[tokio::test]
async fn without_configuration_files_are_kept_beside_the_database() {
    let app = App::with(Server::settings()).await;
    let ada = app.user("ada").await;
    let file = File::picture(1);
    let uploaded = ada.uploads(&file).await;
    assert_eq!(ada.site.sees(&text(&uploaded, "url")).await, file.bytes);
}
