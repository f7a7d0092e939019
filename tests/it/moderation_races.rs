//! People who govern one room at once: each deed happens whole or not at all, and the room keeps an owner.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, HEAVY, Person, Reply, Room, SOON, list, text, within};

const ROUNDS: usize = 50;

fn place(room: &Room, person: &Person) -> String {
    room.path(&format!("/members/{}", person.id))
}

async fn owners(room: &Room, asker: &Person) -> Vec<String> {
    let details = asker.room(room).await;
    let owners = list(&details, "members").iter().filter(|member| member["role"] == "owner");
    owners.map(|member| text(member, "user_id")).collect()
}

#[derive(Clone, Copy)]
enum Deed {
    Gives(&'static str),
    HandsOver,
    Removes,
    Leaves,
    Bans,
}

async fn does(deed: Deed, actor: &Person, target: &Person, room: &Room) -> Reply {
    match deed {
        Deed::Gives(role) => actor.patch(&place(room, target), json!({"role": role})).await,
        Deed::HandsOver => actor.post(&room.path("/transfer"), json!({"user_id": target.id})).await,
        Deed::Removes => actor.delete(&place(room, target)).await,
        Deed::Leaves => actor.post(&room.path("/leave"), json!({})).await,
        Deed::Bans => actor.put(&room.path(&format!("/bans/{}", target.id)), json!({})).await,
    }
}

/// Two owners act on each other, both read on, and a third person speaks meanwhile. Fails on a build that counts the owners
/// before it locks the room, and may on one that takes rows in different orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_act_on_each_other_at_once_leave_the_room_one() {
    use Deed::{Bans, Gives, HandsOver, Leaves, Removes};
    let _alone = HEAVY.lock().await;
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let pairs = [
        (Gives("member"), Gives("member")),
        (Gives("owner"), Gives("viewer")),
        (HandsOver, HandsOver),
        (HandsOver, Gives("admin")),
        (Removes, Removes),
        (Leaves, Leaves),
        (Leaves, Gives("member")),
        (Bans, HandsOver),
    ];
    for (hers, his) in pairs.into_iter().cycle().take(ROUNDS) {
        let room = ada.opens_a_group("crossing", &[&bob, &cyd]).await;
        ada.makes(&bob, "owner", &room).await;
        let said = cyd.says(&room, "mind each other").await;
        let mark = json!({"up_to_seq": said["seq"]});
        let reads = async |person: &Person| person.post(&room.path("/read"), mark.clone()).await;
        let (one, other, read, read_too, spoken) = within(SOON, "both deeds", async {
            tokio::join!(
                does(hers, &ada, &bob, &room),
                does(his, &bob, &ada, &room),
                reads(&ada),
                reads(&bob),
                cyd.tries_to_say(&room, "going on")
            )
        })
        .await;
        let outcomes = [one.outcome(), other.outcome()];
        let known = ["OK", "PERMISSION_DENIED", "LAST_OWNER", "ROOM_NOT_FOUND", "USER_NOT_FOUND"];
        assert!(outcomes.iter().all(|outcome| known.contains(&outcome.as_str())), "{one} and {other}");
        assert!(outcomes.iter().any(|outcome| outcome == "OK"), "{one} and {other}");
        for read in [read, read_too] {
            assert!(["OK", "ROOM_NOT_FOUND"].contains(&read.outcome().as_str()), "{read}");
        }
        spoken.ok();
        let owners = owners(&room, &cyd).await;
        assert!(!owners.is_empty(), "no owner after {one} and {other}");
    }
}

/// The same two people own and administer two rooms crosswise, and hand both to each other while both read in both. Fails on
/// builds where who hands over takes the two places in another order than who marks, seen on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rooms_are_handed_over_crosswise_while_they_are_read() {
    let _alone = HEAVY.lock().await;
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let rooms = [ada.opens_a_group("hers", &[&bob, &cyd]).await, bob.opens_a_group("his", &[&ada, &cyd]).await];
    let writer = cyd.connects().await;
    let sockets = [ada.connects().await, bob.connects().await];
    let mut holders = [(&ada, &bob), (&bob, &ada)];
    for round in 0..ROUNDS {
        let mut marks = Vec::new();
        for room in &rooms {
            let body = json!({"room_id": room.id, "content": format!("news {round}")});
            let seq = writer.ask("send_message", body).await["message"]["seq"].clone();
            for socket in &sockets {
                marks.push(socket.emit_with_ack("mark_as_read", json!({"room_id": room.id, "up_to_seq": seq})));
            }
        }
        let deeds =
            rooms.iter().zip(holders).map(async |(room, (from, to))| does(Deed::HandsOver, from, to, room).await);
        for reply in within(SOON, "both transfers", join_all(deeds)).await {
            reply.ok();
        }
        for mark in marks {
            let answer: Value = mark.answer().await;
            assert_eq!(answer["ok"], true, "{answer}");
        }
        holders = holders.map(|(from, to)| (to, from));
    }
    for (room, (owner, _)) in rooms.iter().zip(holders) {
        assert_eq!(owners(room, &cyd).await, [owner.id.clone()]);
    }
}
