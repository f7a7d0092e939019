//! What a file is: its bytes decide what is served and how; its name and its declared type are hints.

use serde_json::{Value, json};

use crate::support::{
    File, Gallery,
    kinds::honest,
    media::{FILE_LIMIT, Loaded, closing, form_type, media_path},
    picture, recording,
    store::StoreKind,
    text,
};

/// Catches a build that believes a name or a declared type more than the bytes, and one that knows too few kinds.
#[tokio::test]
async fn honest_files_are_taken_for_what_they_are() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("files", &[]).await;
    let mut wrong = Vec::new();
    for kind in honest() {
        let reply = ada.tries_to_upload(&kind.file).await;
        let told = (reply.status.as_u16(), reply.json()["mime_type"].as_str().unwrap_or_default().to_owned());
        if told != (201, kind.mime_type.to_owned()) {
            wrong.push(format!("{} as {:?}: {told:?}, not {}", kind.file.name, kind.file.mime_type, kind.mime_type));
            continue;
        }
        let uploaded = reply.json();
        let message = ada.shows(&room, &uploaded).await;
        if message["message_type"] != kind.message_type {
            wrong.push(format!("{}: a message of type {}", kind.file.name, message["message_type"]));
        }
        let loaded = ada.site.load(&text(&uploaded, "url"), &[]).await;
        check_served(&loaded, &kind.file.name, kind.message_type);
        assert_eq!(loaded.ok(), kind.file.bytes, "{}", kind.file.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Nothing of a stranger's runs from our origin: pictures, sounds and films are shown, everything else is saved.
fn check_served(loaded: &Loaded, name: &str, message_type: &str) {
    let content_type = loaded.header("content-type");
    for running in ["html", "+xml", "/xml", "svg", "script", "wasm", "css", "php", "rfc822"] {
        assert!(!content_type.contains(running), "{name} is served as {content_type}");
    }
    assert_eq!(loaded.header("x-content-type-options"), "nosniff", "{name}");
    assert!(loaded.header("content-security-policy").contains("sandbox"), "{name}");
    let is_saved = loaded.header("content-disposition").starts_with("attachment");
    assert_eq!(is_saved, message_type == "file", "{name}: {}", loaded.header("content-disposition"));
}

/// What a sender says who does not know counts as nothing, however it is written.
#[tokio::test]
async fn a_placeholder_is_no_type() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let placeholders = [
        "",
        "*/*",
        "image/*",
        "video/*",
        "multipart/form-data",
        "multipart/mixed",
        "binary/octet-stream",
        "application/octet-stream",
        "APPLICATION/OCTET-STREAM",
        "application/x-unknown",
        "application/x-www-form-urlencoded",
        "application/unknown",
        "application/force-download",
        "image",
        "no type at all",
    ];
    for placeholder in placeholders {
        for (file, mime_type) in [
            (File::new("photo.png", placeholder, picture::png(5, 4)), "image/png"),
            (File::new("photo", placeholder, picture::jpeg(5, 4)), "image/jpeg"),
            (File::new("voice.ogg", placeholder, recording::opus(9)), "audio/ogg"),
            (File::new("notes.md", placeholder, "# Notes"), "text/markdown"),
        ] {
            let uploaded = ada.uploads(&file).await;
            assert_eq!(uploaded["mime_type"], mime_type, "{} as {placeholder:?}", file.name);
        }
    }
}

/// Where name, type and bytes disagree the bytes are right, but for pages and scripts in disguise (`media_refusals`).
#[tokio::test]
async fn bytes_settle_what_name_and_type_disagree_about() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let (png, jpeg) = (picture::png(8, 6), picture::jpeg(8, 6));
    let room = ada.opens_a_group("files", &[]).await;
    for (name, declared, bytes, mime_type, kind) in [
        ("a.png", "image/png", jpeg.clone(), "image/jpeg", "image"),
        ("a.jpg", "image/jpeg", png.clone(), "image/png", "image"),
        ("a.html", "text/html", png.clone(), "image/png", "image"),
        ("a.js", "text/javascript", png.clone(), "image/png", "image"),
        ("a.svg", "image/svg+xml", png.clone(), "image/png", "image"),
        ("a.pdf", "application/pdf", png.clone(), "image/png", "image"),
        ("a.tiff", "image/tiff", png.clone(), "image/png", "image"),
        ("a.mp4", "video/mp4", png.clone(), "image/png", "image"),
        ("a.docx", "", png, "image/png", "image"),
        ("a.png", "image/png", picture::PDF.to_vec(), "application/pdf", "file"),
        ("a.png", "image/png", b"not a picture".to_vec(), "text/plain", "file"),
        ("a.wav", "audio/wav", b"no sound at all".to_vec(), "text/plain", "file"),
        ("a.mp4", "video/mp4", recording::wav(9), "audio/wav", "audio"),
        ("a.mp3", "audio/mpeg", recording::mp4(9), "video/mp4", "video"),
        ("a.txt", "text/plain", recording::opus(9), "audio/ogg", "audio"),
        (
            "a.pdf",
            "application/pdf",
            b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
            "application/zip",
            "file",
        ),
        ("a.png", "image/png", b"MZ\x90\0\x03\0\0\0".to_vec(), "application/vnd.microsoft.portable-executable", "file"),
        ("a.woff", "font/woff", vec![1, 2, 3], "application/octet-stream", "file"),
    ] {
        let uploaded = ada.uploads(&File::new(name, declared, bytes)).await;
        assert_eq!(uploaded["mime_type"], mime_type, "{name} as {declared}");
        // What the client calls the message is a hint, too.
        let message = ada.tries_to_send(&room, json!({"media_id": uploaded["id"], "message_type": "image"})).await;
        assert_eq!(message.with_status(201)["message_type"], kind, "{name} as {declared}");
    }
}

/// A picture that does not decode is a file: it has no size in pixels, and nobody tries to show it.
#[tokio::test]
async fn a_picture_that_cannot_be_decoded_is_a_file() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("files", &[]).await;
    let png = picture::png(30, 20);
    let broken = [
        ("cut.png", png[..40].to_vec()),
        ("cut.gif", picture::gif(3)[..15].to_vec()),
        ("cut.webp", picture::webp(30, 20)[..30].to_vec()),
        ("cut.jpg", picture::jpeg(30, 20)[..30].to_vec()),
        ("noise.png", [&png[..50], &[7; 500]].concat()),
    ];
    for (name, bytes) in broken {
        let mime_type = format!("image/{}", name.rsplit('.').next().unwrap());
        let file = File::new(name, &mime_type, bytes);
        let uploaded = ada.uploads(&file).await;
        for absent in ["width", "height", "thumbnail_url", "thumbhash"] {
            assert!(uploaded.get(absent).is_none_or(Value::is_null), "{name}: {absent}");
        }
        assert_eq!(ada.shows(&room, &uploaded).await["message_type"], "file", "{name}");
        let loaded = ada.site.load(&text(&uploaded, "url"), &[]).await;
        check_served(&loaded, name, "file");
        assert_eq!(loaded.ok(), file.bytes, "{name}");
    }
}

/// RFC 8187. Catches a build that knows `filename` alone.
#[tokio::test]
async fn a_name_may_be_written_in_each_way_that_clients_write_it() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let long = format!("{}.png", "ü".repeat(300));
    let rows = [
        (r#"filename*=UTF-8''%E5%86%99%E7%9C%9F%20%F0%9F%A6%80.txt"#.to_owned(), "写真 🦀.txt".to_owned()),
        (r#"filename="plain.txt"; filename*=utf-8'de'%c3%bcber.txt"#.to_owned(), "über.txt".to_owned()),
        (r#"filename*=iso-8859-1''%FCber.txt"#.to_owned(), "über.txt".to_owned()),
        (r#"filename="plain.txt"; filename*=UTF-8''%FF"#.to_owned(), "plain.txt".to_owned()),
        (r#"filename="写真.txt""#.to_owned(), "写真.txt".to_owned()),
        (r#"filename=token.txt"#.to_owned(), "token.txt".to_owned()),
        (r#"filename="a;b=\"c\".txt""#.to_owned(), r#"a;b="c".txt"#.to_owned()),
        (r#"filename="C:\fakepath\me.txt""#.to_owned(), "me.txt".to_owned()),
        (r#"filename="/storage/emulated/0/me.txt""#.to_owned(), "me.txt".to_owned()),
        (r#"filename="..""#.to_owned(), "file".to_owned()),
        (r#"filename="""#.to_owned(), "file".to_owned()),
        (format!("filename=\"{long}\""), format!("{}.png", "ü".repeat(251))),
    ];
    let boundary = form_type().split_once('=').unwrap().1.to_owned();
    for (parameter, name) in rows {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; {parameter}\r\n\r\n");
        let uploaded =
            ada.upload([head.as_bytes(), b"hello", closing().as_bytes()].concat()).send().await.with_status(201);
        assert_eq!(uploaded["filename"], name, "{parameter}");
        let loaded = ada.site.load(&text(&uploaded, "url"), &[]).await;
        let disposition = loaded.header("content-disposition");
        let encoded = disposition.split_once("filename*=UTF-8''").expect("the name as RFC 8187 writes it").1;
        let decoded = form_urlencoded::parse(format!("n={}", encoded.replace('+', "%2B")).as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned();
        assert_eq!(decoded, name, "{disposition}");
    }
}

/// An upload that goes to the store directly is held to the same rule, and may be begun with a name alone.
#[tokio::test]
async fn a_direct_upload_needs_only_a_name() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    for (query, name, sent, bytes, mime_type) in [
        ("filename=a.png", "a.png", Some("image/png"), picture::png(9, 8), "image/png"),
        ("filename=a.png", "a.png", Some("image/jpeg"), picture::jpeg(9, 8), "image/jpeg"),
        ("filename=a.png", "a.png", None, picture::png(9, 8), "image/png"),
        ("filename=a.avi&mime_type=image/*", "a.avi", Some("video/avi"), picture::png(9, 8), "image/png"),
        ("filename=a", "a", Some("text/plain"), b"hello".to_vec(), "text/plain"),
        ("filename=a.ts&mime_type=", "a.ts", Some("video/mp2t"), b"const a = 1;".to_vec(), "text/plain"),
        (
            "filename=a.m4a&content_type=audio/x-m4a&size=616",
            "a.m4a",
            Some("audio/mp4"),
            [b"\0\0\0\x10ftypM4A \0\0\0\0".as_slice(), &[0; 600]].concat(),
            "audio/mp4",
        ),
    ] {
        let begun = ada.get(&format!("/api/chat/upload/signed-url?{query}")).await.with_status(200);
        assert_eq!((&begun["signed_url"], &begun["expires_in"]), (&begun["upload_url"], &json!(900)), "{query}");
        assert!(text(&begun, "path").contains(&text(&begun, "media_id")), "{query}");
        let mut put = ada.site.at(reqwest::Method::PUT, &text(&begun, "signed_url")).body(bytes.clone());
        if let Some(sent) = sent {
            put = put.header("content-type", sent);
        }
        assert_eq!(put.load().await.status, 204, "{query} as {sent:?}");
        let media = json!({"id": begun["media_id"]});
        let completed = ada.post(&format!("{}/complete", media_path(&media)), json!({})).await.with_status(200);
        let told = (completed["filename"].as_str(), completed["mime_type"].as_str(), completed["size"].as_u64());
        assert_eq!(told, (Some(name), Some(mime_type), Some(bytes.len() as u64)), "{query}");
    }
    // The limit holds without a size, as does the rule of disguise.
    let begun = ada.get("/api/chat/upload/signed-url?filename=a.bin").await.with_status(200);
    let large = ada.site.at(reqwest::Method::PUT, &text(&begun, "upload_url")).body(vec![1_u8; FILE_LIMIT + 1]);
    assert_eq!(large.load().await.status, 403);
    let begun = ada.get("/api/chat/upload/signed-url?filename=a.png").await.with_status(200);
    let page = ada.site.at(reqwest::Method::PUT, &text(&begun, "upload_url")).body(picture::HTML);
    assert_eq!(page.load().await.status, 204);
    let path = format!("/api/chat/media/{}/complete", text(&begun, "media_id"));
    ada.post(&path, json!({})).await.refused("UNSUPPORTED_MEDIA_TYPE");
}
