//! Uploading a file through the node: what is taken, and what is found out about it.

use serde_json::{Value, json};

use crate::support::{
    File, Gallery, int,
    media::{Loaded, on_every_store},
    picture, recording,
    store::StoreKind,
    text,
};

on_every_store!(
    every_kind_of_file_comes_back_as_it_was,
    a_picture_is_measured_and_made_small,
    a_picture_that_shines_through_stays_so_in_small,
    a_photo_keeps_its_turn_and_not_its_place,
    a_recording_tells_how_long_it_lasts,
    a_name_is_data,
);

fn kinds() -> Vec<File> {
    vec![
        File::new("drawing.png", "image/png", picture::png(64, 48)),
        File::new("drawing.webp", "image/webp", picture::webp(64, 48)),
        File::new("drawing.JPG", "image/jpeg", picture::jpeg(64, 48)),
        File::new("moving.gif", "image/gif", picture::gif(3)),
        File::new("sound.wav", "audio/wav", recording::wav(500)),
        File::new("voice.ogg", "audio/ogg", recording::opus(50)),
        File::new("film.mp4", "video/mp4", recording::mp4(500)),
        File::new("paper.pdf", "application/pdf", picture::PDF),
        File::new("notes.txt", "text/plain", "a line\nand another – with a dash\n"),
        File::new("table.csv", "text/csv", "a,b\n1,2\n"),
        File::new("data.json", "application/json", r#"{"a": 1}"#),
        File::noise(1, 300_000),
        File::new("one-byte.bin", "application/octet-stream", [1]),
    ]
}

async fn every_kind_of_file_comes_back_as_it_was(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    for file in kinds() {
        let uploaded = ada.uploads(&file).await;
        let named = (uploaded["filename"].as_str(), uploaded["mime_type"].as_str(), int(&uploaded, "size"));
        let size = i64::try_from(file.bytes.len()).unwrap();
        assert_eq!(named, (Some(file.name.as_str()), Some(file.mime_type.as_str()), size));
        let loaded = ada.site.load(&text(&uploaded, "url"), &[]).await;
        assert_eq!(loaded.header("content-type").split(';').next(), Some(file.mime_type.as_str()), "{}", file.name);
        assert_eq!(loaded.ok(), file.bytes, "{} by its address", file.name);
        assert_eq!(ada.loads(&uploaded).await.ok(), file.bytes, "{} by its id", file.name);
    }
    assert!(gallery.store.keys().await.len() >= kinds().len());
}

async fn a_picture_is_measured_and_made_small(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let files = [
        File::new("wide.png", "image/png", picture::png(1_600, 400)),
        File::new("wide.webp", "image/webp", picture::webp(1_600, 400)),
        File::new("wide.jpg", "image/jpeg", picture::jpeg(1_600, 400)),
    ];
    for file in files {
        let uploaded = ada.uploads(&file).await;
        assert_eq!((int(&uploaded, "width"), int(&uploaded, "height")), (1_600, 400), "{}", file.name);
        assert_eq!(uploaded.get("duration_ms").filter(|value| !value.is_null()), None);
        // <https://evanw.github.io/thumbhash/>: 5 bytes at least, about 25
        let blur = text(&uploaded, "thumbhash");
        assert!((8..=48).contains(&blur.len()), "{blur}");
        let small = picture_of(ada.site.load(&text(&uploaded, "thumbnail_url"), &[]).await);
        assert!(small.width() <= 512 && small.width() >= 128, "{} pixels wide", small.width());
        assert_eq!(small.width() / small.height(), 4, "the sides of {}", file.name);
        let [red, _, blue] = small.to_rgb8().get_pixel(1, 1).0;
        assert!(red > 200 && blue < 60, "the left edge of {} is red: {red}, {blue}", file.name);
    }
}

/// Decoded by its bytes, which must be what the answer says.
fn picture_of(loaded: Loaded) -> image::DynamicImage {
    let content_type = loaded.header("content-type").to_owned();
    let bytes = loaded.ok();
    let format = image::guess_format(&bytes).expect("a picture");
    assert_eq!(format.to_mime_type(), content_type);
    image::load_from_memory(&bytes).expect("a whole picture")
}

async fn a_picture_that_shines_through_stays_so_in_small(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let uploaded = ada.uploads(&File::new("glass.png", "image/png", picture::glass(900, 600))).await;
    let small = picture_of(ada.site.load(&text(&uploaded, "thumbnail_url"), &[]).await);
    let alpha = small.to_rgba8().get_pixel(5, 5).0[3];
    assert!((40..=80).contains(&alpha), "an alpha of 60 became {alpha}");
}

/// M17. Orientation 6 is a quarter turn: 300x200 pixels are shown as 200x300, whose upper edge is the left one of the pixels.
async fn a_photo_keeps_its_turn_and_not_its_place(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let photo = File::new("IMG_0001.JPG", "image/jpeg", picture::photo(900, 600, 6));
    assert!(contains(&photo.bytes, picture::CAMERA), "the fixture has what must go");
    let uploaded = ada.uploads(&photo).await;
    assert_eq!((int(&uploaded, "width"), int(&uploaded, "height")), (600, 900));
    let small = ada.site.load(&text(&uploaded, "thumbnail_url"), &[]).await;
    assert!(!contains(&small.bytes, "Exif") && !contains(&small.bytes, picture::CAMERA), "the small picture has notes");
    let small = picture_of(small);
    assert!(small.height() > small.width(), "the small picture stands");
    let [red, _, blue] = small.to_rgb8().get_pixel(small.width() / 2, 2).0;
    assert!(red > 200 && blue < 60, "its upper edge is red: {red}, {blue}");

    let whole = ada.site.sees(&text(&uploaded, "url")).await;
    assert!(!contains(&whole, picture::CAMERA), "the picture tells the camera");
    assert_eq!(int(&uploaded, "size"), i64::try_from(whole.len()).unwrap());
    let mut decoder = image::ImageReader::new(std::io::Cursor::new(&whole)).with_guessed_format().unwrap();
    decoder.no_limits();
    let mut decoder = decoder.into_decoder().unwrap();
    let orientation = image::ImageDecoder::orientation(&mut decoder).unwrap();
    let mut upright = image::DynamicImage::from_decoder(decoder).unwrap();
    upright.apply_orientation(orientation);
    assert_eq!((upright.width(), upright.height()), (600, 900), "browsers show it standing");
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

async fn a_recording_tells_how_long_it_lasts(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    let recordings = [
        (File::new("sound.wav", "audio/wav", recording::wav(1_500)), 1_500),
        (File::new("film.mp4", "video/mp4", recording::mp4(2_500)), 2_500),
        (File::new("voice.ogg", "audio/ogg", recording::opus(150)), 3_000),
    ];
    for (file, milliseconds) in recordings {
        let uploaded = ada.uploads(&file).await;
        let said = int(&uploaded, "duration_ms");
        assert!((said - milliseconds).abs() <= 20, "{} lasts {milliseconds} ms, not {said}", file.name);
        assert_eq!(uploaded.get("width").filter(|value| !value.is_null()), None);
    }
}

/// Names that would lead somewhere if one were part of a path, a header or a command.
const NAMES: [&str; 12] = [
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/shadow",
    "D:\\autoexec.bat",
    "a\r\nSet-Cookie: session=stolen",
    "quote\".txt",
    "50%25 off; filename=other.exe",
    "$(reboot) `reboot`.txt",
    "überraschung – 写真 🦀.txt",
    "\u{202e}fdp.exe",
    ".htaccess",
    "CON",
];

async fn a_name_is_data(kind: StoreKind) {
    let gallery = Gallery::open(kind).await;
    let ada = gallery.app.user("ada").await;
    for name in NAMES {
        let file = File::new(name, "text/plain", "harmless");
        let uploaded = ada.uploads(&file).await;
        let kept = text(&uploaded, "filename");
        assert!(!kept.is_empty() && !kept.contains(char::is_control), "{name:?} is kept as {kept:?}");
        let loaded = ada.site.load(&text(&uploaded, "url"), &[]).await;
        assert_eq!(loaded.headers.get("set-cookie"), None, "{name:?}");
        assert!(loaded.header("content-disposition").starts_with("attachment"), "{name:?}: a text is saved");
        assert_eq!(loaded.ok(), file.bytes, "{name:?}");
    }
    for key in gallery.store.keys().await {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
        assert!(key.chars().all(is_plain) && !key.contains(".."), "{key} is not ours");
        assert!(NAMES.iter().all(|name| !key.contains(name)), "{key} has a name in it");
    }
}

/// What stands in the answers of other routes is what the upload said.
#[tokio::test]
async fn a_file_is_the_same_file_everywhere() {
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let room = ada.opens_a_group("pictures", &[]).await;
    let uploaded = ada.uploads(&File::picture(1)).await;
    let message = ada.shows(&room, &uploaded).await;
    let attachment = &message["attachments"][0];
    let listed = ada.get(&room.path("/media")).await.with_status(200);
    for field in ["id", "filename", "size", "mime_type", "width", "height", "thumbhash"] {
        assert_ne!(uploaded[field], Value::Null, "{field}");
        assert_eq!(attachment[field], uploaded[field], "{field} in the message");
        assert_eq!(listed["media"][0][field], uploaded[field], "{field} in the list");
    }
    assert_eq!(message["message_type"], json!("image"));
}
