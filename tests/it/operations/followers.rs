//! Followers of the logs miss no entry and apply none twice, whatever happens to them. The followers here are the search index and
//! two that builds for tests have: each writes down in a table what it was given, and fails while that table is not there.

use std::time::Duration;

use rand::RngExt;

use crate::support::{
    App, Cluster, Person, Room, SOON, Seed, Server,
    journal::{ONE, TWO, complete, give_table},
    machine, within, workload,
};

async fn ends<'a>(ada: &Person, rooms: &'a [Room]) -> Vec<(&'a Room, i64)> {
    let mut ends = Vec::new();
    for room in rooms {
        ends.push((room, ada.last_seq(room).await));
    }
    ends
}

async fn some_rooms(ada: &Person, count: usize) -> Vec<Room> {
    let mut rooms = Vec::new();
    for number in 0..count {
        rooms.push(ada.opens_a_group(&format!("room {number}"), &[]).await);
    }
    rooms
}

/// Catches a build whose cursor moves in another transaction than what was made of the entries, before or after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing_and_repeats_nothing_over_kills() {
    let _share = machine::share().await;
    let mut rng = Seed::of("a_follower_misses_nothing_and_repeats_nothing_over_kills").rng();
    let mut app = App::with(Server::settings().with("PARLOUR_TEST_JOURNALS", "1")).await;
    let ada = app.user("ada").await;
    let rooms = some_rooms(&ada, 3).await;
    give_table(&app.server.database().await, ONE).await;
    let mut writers: Vec<_> = (0..3).map(|number| workload::Writer::new(&format!("ada{number}"))).collect();
    for _ in 0..12 {
        let socket = ada.connects().await;
        let life = Duration::from_millis(rng.random_range(50..500));
        let kill = async {
            tokio::time::sleep(life).await;
            app.server.kill_9();
        };
        let write = async {
            let [one, two, three] = &mut writers[..] else { panic!("three writers") };
            tokio::join!(
                one.send_until_cut(&socket, &rooms[0]),
                two.send_until_cut(&socket, &rooms[1]),
                three.send_until_cut(&socket, &rooms[2])
            );
        };
        within(SOON * 3, "a cycle", async { tokio::join!(kill, write) }).await;
        app.start_again().await;
    }
    let db = app.server.database().await;
    complete(&db, ONE, &ends(&ada, &rooms).await).await;
}

/// Catches a build in which a follower that fails keeps the others, or forgets what it could not apply.
#[tokio::test]
async fn a_follower_that_fails_for_a_while_keeps_no_other_and_goes_on() {
    let app = App::with(Server::settings().with("PARLOUR_TEST_JOURNALS", "2")).await;
    let ada = app.user("ada").await;
    let rooms = some_rooms(&ada, 2).await;
    let db = app.server.database().await;
    give_table(&db, ONE).await;
    for room in &rooms {
        ada.says(room, "a needle").await;
    }
    complete(&db, ONE, &ends(&ada, &rooms).await).await;
    ada.sees_indexed(&rooms.iter().collect::<Vec<_>>()).await;
    give_table(&db, TWO).await;
    ada.says(&rooms[0], "one more").await;
    for journal in [ONE, TWO] {
        complete(&db, journal, &ends(&ada, &rooms).await).await;
    }
}

#[tokio::test]
async fn a_follower_that_comes_later_reads_everything_from_the_beginning() {
    let mut app = App::with(Server::settings().with("PARLOUR_TEST_JOURNALS", "1")).await;
    let ada = app.user("ada").await;
    let rooms = some_rooms(&ada, 40).await;
    let db = app.server.database().await;
    give_table(&db, ONE).await;
    for room in &rooms {
        ada.says(room, "before").await;
    }
    let socket = ada.connects().await;
    // More than one piece.
    workload::Writer::new("ada").send(&socket, &rooms[0], 300).await;
    app.server.kill_9();
    give_table(&db, TWO).await;
    app.server.set("PARLOUR_TEST_JOURNALS", "2");
    app.start_again().await;
    let ada = ada.at(&app);
    ada.says(&rooms[1], "after").await;
    for journal in [ONE, TWO] {
        complete(&db, journal, &ends(&ada, &rooms).await).await;
    }
}

/// Catches a build in which two nodes apply the same entries, and one that leaves to nobody what a dead node did not apply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_apply_each_entry_once() {
    let mut cluster = Cluster::with(2, Server::settings().with("PARLOUR_TEST_JOURNALS", "1")).await;
    let ada = cluster.nodes[0].user("ada").await;
    let rooms = some_rooms(&ada, 3).await;
    let db = cluster.nodes[0].server.database().await;
    give_table(&db, ONE).await;
    let elsewhere = ada.at(&cluster.nodes[1]);
    let (here, there) = (ada.connects().await, elsewhere.connects().await);
    let mut writers = [workload::Writer::new("one"), workload::Writer::new("two"), workload::Writer::new("three")];
    let [one, two, three] = &mut writers;
    tokio::join!(one.send(&here, &rooms[0], 500), two.send(&there, &rooms[0], 500), three.send(&there, &rooms[1], 500));
    complete(&db, ONE, &ends(&ada, &rooms).await).await;
    // What the first node has still to apply when it dies, the second one finds when it starts.
    ada.says(&rooms[2], "the last words of a node").await;
    cluster.nodes[0].server.kill_9();
    cluster.nodes[1].server.kill_9();
    cluster.nodes[1].start_again().await;
    let ada = elsewhere.at(&cluster.nodes[1]);
    complete(&db, ONE, &ends(&ada, &rooms).await).await;
}
