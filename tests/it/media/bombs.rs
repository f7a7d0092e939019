//! P3: files that keep whoever reads them busy. Each is refused or is a mere file soon, and nobody else waits for it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{File, Gallery, machine, picture, store::StoreKind, text};

/// How long the server may look at a file, and the rest of an upload on a busy machine.
const SOON_ENOUGH: Duration = Duration::from_secs(4);

fn part(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("it is short").to_be_bytes();
    [&size, kind.as_slice(), body].concat()
}

/// A HEIC of so many notes of cameras, and so many places of items, each written as this.
fn heic(notes: u32, places: u32, place: &[u8]) -> Vec<u8> {
    let info = part(b"infe", b"\x02\0\0\0\xff\xff\0\0Exif");
    let infos = [&[1, 0, 0, 0], notes.to_be_bytes().as_slice(), &info.repeat(notes as usize)].concat();
    let list = [b"\x02\0\0\0\0\0".as_slice(), &places.to_be_bytes(), &place.repeat(places as usize)].concat();
    let meta = [vec![0; 4], part(b"iinf", &infos), part(b"iloc", &list)].concat();
    [part(b"ftyp", b"heic\0\0\0\0mif1heic"), part(b"meta", &meta)].concat()
}

/// A progressive JPEG with one scan after the other over all its pixels.
fn scans(count: usize) -> Vec<u8> {
    let segment = |marker: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).expect("it is short").to_be_bytes();
        [&[0xff, marker], length.as_slice(), body].concat()
    };
    let side = 6_000_u16.to_be_bytes();
    let frame = [&[8], side.as_slice(), &side, b"\x01\x01\x11\0"].concat();
    // Codes for nothing but the end of a band of 32,767 blocks.
    let codes = [&[0x10, 1], [0; 15].as_slice(), &[0xe0]].concat();
    let scan = [segment(0xda, b"\x01\x01\x10\x01\x3f\0"), b"\0\0\0\0".repeat(8)].concat();
    let table = segment(0xdb, &[&[0], [1; 64].as_slice()].concat());
    [
        b"\xff\xd8".to_vec(),
        table,
        segment(0xc2, &frame),
        segment(0xc4, &codes),
        scan.repeat(count),
        b"\xff\xd9".to_vec(),
    ]
    .concat()
}

fn bombs() -> Vec<File> {
    let none = b"\0\0\0\x07\0\0\0\0\0\0";
    let endless = b"\0\0\0\x07\0\0\0\0\xff\xff";
    let chunks = [b"\x89PNG\r\n\x1a\n".as_slice(), &b"\0\0\0\0tEXt\0\0\0\0".repeat(1_500_000)].concat();
    let webp = [b"RIFF\0\0\0\0WEBP".as_slice(), &b"EXIF\0\0\0\0".repeat(2_000_000)].concat();
    let lists = [b"RIFF\0\0\0\0WEBP".as_slice(), &b"LIST\xff\xff\xff\0".repeat(1_000_000)].concat();
    let tables = [b"\xff\xd8".as_slice(), &b"\xff\xfe\0\x02".repeat(5_000_000)].concat();
    let nested = (0..2_000_000_u32).rev().flat_map(|deep| [(deep * 8 + 8).to_be_bytes(), *b"moov"].concat());
    let film = [part(b"ftyp", b"isom\0\0\0\0"), nested.collect()].concat();
    let samples = [part(b"ftyp", b"isom\0\0\0\0"), part(b"moov", &part(b"trak", b"").repeat(2_000_000))].concat();
    let elements = [
        b"\x1a\x45\xdf\xa3\x8f\x42\x82\x84webm\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff".as_slice(),
        &b"\x12\x54\xc3\x67\x83\x73\x73\x80".repeat(2_000_000),
    ]
    .concat();
    let pages = b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0".repeat(700_000);
    let gif = [&picture::gif(1)[..19], &b"\x21\xfe\x01a\0".repeat(4_000_000)].concat();
    let frames = b"\xff\xfb\x90\x64".repeat(5_000_000);
    let words = "<".repeat(20_000_000);
    vec![
        File::new("notes.heic", "image/heic", heic(650_000, 1_000_000, none)),
        File::new("notes.avif", "image/avif", {
            let mut file = heic(650_000, 1_000_000, none);
            file[8..12].copy_from_slice(b"avif");
            file
        }),
        File::new("pieces.heic", "image/heic", heic(9_000, 9_000, endless)),
        File::new("scans.jpg", "image/jpeg", scans(900)),
        File::new("tables.jpg", "image/jpeg", tables),
        File::new("chunks.png", "image/png", chunks),
        File::new("chunks.webp", "image/webp", webp),
        File::new("lists.webp", "image/webp", lists),
        File::new("blocks.gif", "image/gif", gif),
        File::new("nested.mp4", "video/mp4", film),
        File::new("tracks.mp4", "video/mp4", samples),
        File::new("tags.webm", "video/webm", elements),
        File::new("pages.ogg", "audio/ogg", pages),
        File::new("frames.mp3", "audio/mpeg", frames),
        File::new("words.docx", "", words),
    ]
}

/// Catches builds without a bound in each parser: the first of these took minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_to_be_slow_is_soon_done() {
    let bombs = bombs();
    let _alone = machine::alone().await;
    let gallery = Gallery::open(StoreKind::Local).await;
    let ada = gallery.app.user("ada").await;
    let before = gallery.app.server.peak_rss_kib();
    let mut slow = Vec::new();
    for file in &bombs {
        let begin = Instant::now();
        let reply = ada.tries_to_upload(file).await;
        assert!([201, 415, 422].contains(&reply.status.as_u16()), "{}: {reply}", file.name);
        println!("{}: {} after {:?}", file.name, reply.outcome(), begin.elapsed());
        if begin.elapsed() > SOON_ENOUGH {
            slow.push((&file.name, begin.elapsed()));
        }
        if reply.status == 201 {
            ada.delete(&format!("/api/chat/media/{}", text(&reply.json(), "id"))).await.with_status(204);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
    let grown = gallery.app.server.peak_rss_kib().saturating_sub(before);
    assert!(grown < 400 * 1024, "the peak grew by {grown} KiB");
}

/// Files that need no look do not wait for those that do, and those that do wait for a short time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_waits_for_slow_files() {
    let none = b"\0\0\0\x07\0\0\0\0\0\0";
    let bomb = File::new("notes.heic", "image/heic", heic(650_000, 1_000_000, none));
    let _alone = machine::alone().await;
    let gallery = Gallery::open(StoreKind::Local).await;
    let [eve, ada] = gallery.app.users(["eve", "ada"]).await;
    let slow = join_all((0..4).map(|_| eve.tries_to_upload(&bomb)));
    let honest = async {
        let mut longest = Duration::ZERO;
        for number in 0..10 {
            for file in [File::new("a.txt", "text/plain", "hello"), File::picture(number)] {
                let begin = Instant::now();
                ada.uploads(&file).await;
                longest = longest.max(begin.elapsed());
            }
        }
        longest
    };
    let (slow, longest) = tokio::join!(slow, honest);
    for reply in slow {
        assert!([201, 415, 422].contains(&reply.status.as_u16()), "{reply}");
    }
    assert!(longest < SOON_ENOUGH, "an honest upload took {longest:?}");
}
