//! Whoever sends a file a few bytes at a time is not waited for.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::support::{App, File, Person, Server, within};

/// How soon a slow sender is refused here: two windows of two seconds, and what a busy machine takes.
const REFUSED: Duration = Duration::from_secs(20);

/// Sends `bytes` of a file ten times a second; answers what came back once the node has answered.
async fn sends_slowly(person: &Person, bytes: usize) -> String {
    let stream = TcpStream::connect(person.site.addr()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let part = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"slow.txt\"\r\n\r\n";
    let head = format!(
        "POST /api/chat/upload HTTP/1.1\r\nHost: parlour.test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 10000000\r\n\r\n{part}",
        person.token
    );
    writer.write_all(head.as_bytes()).await.unwrap();
    let sending = async {
        while writer.write_all(&vec![b'x'; bytes]).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = vec![0; 12];
    let answering = async {
        reader.read_exact(&mut answer).await.unwrap();
    };
    within(REFUSED, "an answer to a slow upload", async {
        tokio::select! {
            () = answering => {}
            () = sending => panic!("the connection ends with an answer"),
        }
    })
    .await;
    String::from_utf8(answer).unwrap()
}

/// Fails on a build that takes one byte now and then for progress: a hundred such uploads cost nothing and last for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_trickles_is_refused() {
    let settings = Server::settings()
        .with("PARLOUR__SERVER__SLOW_CLIENT_SECONDS", "2")
        .with("PARLOUR__SERVER__SLOW_CLIENT_BYTES", "65536");
    let app = App::with(settings).await;
    let [ada, eve] = app.users(["ada", "eve"]).await;
    let trickles = join_all([1, 1, 100, 1_000].map(|bytes| sends_slowly(&eve, bytes)));
    let others = async {
        for number in 0..5 {
            ada.uploads(&File::noise(number, 100_000)).await;
        }
    };
    let (answers, ()) = tokio::join!(trickles, others);
    for answer in answers {
        assert_eq!(answer, "HTTP/1.1 503");
    }
}
