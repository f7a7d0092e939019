//! What people may know of each other: e-mail address and presence are for contacts.
//!
//! Somebody is a contact while one shares a room with them that is not public and that they created, joined by themselves or have
//! written in. That somebody else put them there makes them a contact of nobody.

use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, Room, Server, Socket, find, list, text};

/// What `asking` is answered by every route that only reads, with `room` and what is in it, and `other`, in their places. The
/// routes are those of the API document: a new one is asked from its first day.
async fn everything(asking: &Person, room: &Room, other: &Person) -> Vec<(String, String)> {
    let document = asking.site.get("/openapi.json").send().await.with_status(200);
    let history = asking.get(&room.path("/messages?page_size=100")).await;
    let said = if history.status == 200 { list(&history.json(), "messages").to_vec() } else { Vec::new() };
    let mut answers = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        if operations.get("get").is_none() {
            continue;
        }
        let path = path.replace("{user_id}", &other.id);
        let paths: Vec<String> = match path.as_str() {
            path if path.starts_with("/api/users/{id}") => vec![path.replace("{id}", &other.id)],
            path if path.starts_with("/api/chat/messages/{id}") => {
                said.iter().map(|message| path.replace("{id}", &text(message, "id"))).collect()
            }
            path if path.starts_with("/api/chat/search") => vec![format!("{path}?q=hello")],
            "/api/users" | "/api/users/users" => {
                let begin = &other.email[..other.email.len() - 2];
                [String::new(), other.name.clone(), begin.to_owned()].map(|q| format!("{path}?search={q}")).into()
            }
            path => vec![path.replace("{id}", &room.id)],
        };
        for path in paths {
            answers.push((path.clone(), asking.get(&path).await.body));
        }
    }
    let socket = asking.connects().await;
    for (event, data) in [
        ("sync", json!({"cursors": {}})),
        ("sync", json!({"cursors": {&room.id: 0}, "limit": 1_000})),
        ("get_presence", json!({"user_ids": [other.id]})),
    ] {
        answers.push((format!("{event} {data}"), socket.ask(event, data.clone()).await.to_string()));
    }
    let mut back = asking.connects_with(json!({"rooms": "all", "cursors": {&room.id: 0}})).await;
    answers.push(("a replay".to_owned(), told(&mut back).await));
    answers
}

/// Everything that a socket was told until now.
async fn told(socket: &mut Socket) -> String {
    socket.heard().await.iter().map(|event| format!("{} {}\n", event.name, event.data)).collect()
}

fn keeps_secret(answers: &[(String, String)], address: &str, why: &str) {
    for (path, answer) in answers {
        assert!(!answer.contains(address), "{why}: {path} tells {address}: {answer}");
    }
}

/// What `asking` sees of `other`: the address as it is shown alone, and whether the presence is shown.
async fn knows(asking: &Person, other: &Person) -> (String, bool) {
    let user = asking.get(&format!("/api/users/{}", other.id)).await.with_status(200);
    let socket = asking.connects().await;
    let presence = socket.ask("get_presence", json!({"user_ids": [other.id]})).await;
    (text(&user, "email"), !list(&presence, "users").is_empty())
}

async fn is_contact(asking: &Person, other: &Person) -> bool {
    let (email, presence) = knows(asking, other).await;
    assert_eq!(email == other.email, presence, "address and presence of {} go together: {email}", other.name);
    presence
}

/// A stranger opens rooms of every kind with somebody who does nothing, reads whatever there is to read, and hears whatever there
/// is to hear, while the other one comes and goes. Catches a build that unmasks whoever shares a room, one that does so in one of
/// its answers or events, and one that tells who was put into a room that they are online.
#[tokio::test]
async fn whoever_is_put_into_a_room_stays_unknown() {
    let app = App::with(Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "50")).await;
    let [eve, ann, bob] = app.users(["eve", "ann", "bob"]).await;
    let friends = ann.opens_a_group("friends", &[&bob]).await;
    let mut friend = bob.enters(&friends).await;
    for kind in ["private", "invite_only", "public", "direct"] {
        let mut witness = eve.hears_everything().await;
        let body = match kind {
            "direct" => json!({"room_type": "direct", "member_ids": [ann.id]}),
            kind => json!({"room_type": "group", "name": "a room", "visibility": kind, "member_ids": [ann.id]}),
        };
        let opened = eve.post("/api/chat/rooms", body).await.with_status(201);
        assert!(opened.to_string().contains("a***@example.com"), "{kind}: {opened}");
        let room = Room::of(&opened);
        witness.expect_that("room_joined", |data| data["room_id"] == room.id.as_str()).await;
        let said = eve.says(&room, "hello, is this you?").await;
        let anns = ann.hears_everything().await;
        friend.expect_that("user_online", |data| data["user_id"] == ann.id.as_str()).await;
        anns.ask("mark_as_read", json!({"room_id": room.id, "message_ids": [said["id"]]})).await;
        let react = format!("/api/chat/messages/{}/reactions", text(&said, "id"));
        ann.post(&react, json!({"emoji": "👍"})).await.ok();
        witness.expect("reaction_added").await;
        keeps_secret(&everything(&eve, &room, &ann).await, &ann.email, kind);
        assert_eq!(knows(&eve, &ann).await, ("a***@example.com".to_owned(), false), "{kind}");
        anns.leave().await;
        friend.expect_that("user_offline", |data| data["user_id"] == ann.id.as_str()).await;
        let told = told(&mut witness).await;
        assert!(!told.contains(&ann.email), "{kind}: {told}");
        // Nor does it tell by whom the room is viewed: what joins ann to all her rooms joins her to this one, too.
        for event in ["user_online", "user_offline", "user_joined", "user_left"] {
            let ofann = |line: &str| line.starts_with(event) && line.contains(&ann.id);
            assert!(!told.lines().any(ofann), "{kind}: {event} is told: {told}");
        }
        // Whoever wrote last has done something: eve is known to ann, but for the public room.
        assert_eq!(is_contact(&ann, &eve).await, kind != "public", "{kind}");
        if kind != "direct" {
            ann.post(&room.path("/leave"), json!({})).await.ok();
            assert!(!is_contact(&ann, &eve).await, "{kind}: they share no room any more");
        }
    }
}

/// Each of the three ways to become a contact, and the ways to be one no longer. Catches a build that forgets one of them, one
/// that counts public rooms, and one that remembers who has left.
#[tokio::test]
async fn whoever_takes_part_is_a_contact_while_the_room_is_shared() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let room = ada.opens(json!({"visibility": "invite_only"}), &[&bob]).await;
    assert!(is_contact(&bob, &ada).await, "who created the room");
    assert!(!is_contact(&ada, &bob).await, "who was added");
    let link = text(&ada.post(&room.path("/invite"), json!({})).await.with_status(201), "code");
    cyd.post(&format!("/api/chat/invites/{link}/join"), json!({})).await.with_status(200);
    assert!(is_contact(&ada, &cyd).await && is_contact(&bob, &cyd).await, "who joined by themselves");
    let members = ada.get(&room.path("/members")).await.with_status(200);
    assert_eq!(find(list(&members, "members"), "user_id", &bob.id)["user"]["email"], "b***@example.com");
    assert_eq!(find(list(&members, "members"), "user_id", &cyd.id)["user"]["email"], cyd.email.as_str());

    let mut heard = ada.enters(&room).await;
    let bobs = bob.enters(&room).await;
    let sent = bobs.ask("send_message", json!({"room_id": room.id, "content": "hello"})).await;
    assert_eq!(sent["message"]["sender"]["email"], bob.email.as_str(), "one sees all of oneself");
    let told = heard.expect("new_message").await;
    assert_eq!(told["message"], sent["message"], "the others see what the sender sees");
    assert!(is_contact(&ada, &bob).await, "who has written");

    ada.patch(&room.path(""), json!({"visibility": "public"})).await.ok();
    for other in [&bob, &cyd] {
        assert!(!is_contact(&ada, other).await, "{}: the room is public now", other.name);
    }
    keeps_secret(&everything(&dan, &room, &bob).await, &bob.email, "a stranger looks at a public room");
    ada.patch(&room.path(""), json!({"visibility": "private"})).await.ok();
    assert!(is_contact(&ada, &bob).await);
    ada.removes(&bob, &room).await;
    cyd.post(&room.path("/leave"), json!({})).await.ok();
    for other in [&bob, &cyd] {
        assert!(!is_contact(&ada, other).await, "{} is gone", other.name);
    }
    let direct = dan.opens_a_direct_room_with(&ada).await;
    assert!(is_contact(&ada, &dan).await && !is_contact(&dan, &ada).await, "dan has opened it, ada has done nothing");
    ada.says(&direct, "hello").await;
    assert!(is_contact(&dan, &ada).await);
}

/// In a public room nobody learns the address of anybody, and everybody sees their own: in answers, and in events that are written
/// once for all who hear the room. Catches a build that writes one form for all readers.
#[tokio::test]
async fn a_public_room_shows_everybody_their_own_address_alone() {
    let app = App::start().await;
    let [ada, bob, cyd] = app.users(["ada", "bob", "cyd"]).await;
    let room = ada.opens(json!({"visibility": "public"}), &[]).await;
    let (mut adas, mut everywhere) = (ada.enters(&room).await, ada.connects().await);
    bob.post(&room.path("/join"), json!({})).await.with_status(200);
    assert_eq!(adas.expect("member_added").await["member"]["user"]["email"], "b***@example.com");
    let mut bobs = bob.enters(&room).await;
    let mut bobs_other = bob.connects().await;
    assert_eq!(adas.expect("user_joined").await["user"]["email"], "b***@example.com");
    let cursor = bob.last_seq(&room).await;
    let sent = bobs.ask("send_message", json!({"room_id": room.id, "content": "hello"})).await;
    assert_eq!(sent["message"]["sender"]["email"], bob.email.as_str());
    let id = text(&sent["message"], "id");
    assert_eq!(bobs.expect("new_message").await["message"], sent["message"], "to whom it belongs");
    assert_eq!(adas.expect("new_message").await["message"]["sender"]["email"], "b***@example.com");
    let activity = everywhere.expect_that("room_activity", |data| data["last_message"].is_object()).await;
    assert_eq!(activity["last_message"]["sender"]["email"], "b***@example.com");
    let activity = bobs_other.expect_that("room_activity", |data| data["last_message"].is_object()).await;
    assert_eq!(activity["last_message"]["sender"]["email"], bob.email.as_str(), "one's own, in a list");
    bob.patch(&format!("/api/chat/messages/{id}"), json!({"content": "hello again"})).await.ok();
    assert_eq!(adas.expect("message_edited").await["message"]["sender"]["email"], "b***@example.com");
    assert_eq!(bobs.expect("message_edited").await["message"]["sender"]["email"], bob.email.as_str());
    ada.makes(&bob, "admin", &room).await;
    assert_eq!(adas.expect("member_updated").await["member"]["user"]["email"], "b***@example.com");
    assert_eq!(bobs.expect("member_updated").await["member"]["user"]["email"], bob.email.as_str());

    cyd.post(&room.path("/join"), json!({})).await.with_status(200);
    cyd.says(&room, "hello").await;
    for (asking, other) in [(&ada, &bob), (&cyd, &bob), (&cyd, &ada), (&bob, &cyd)] {
        keeps_secret(&everything(asking, &room, other).await, &other.email, &asking.name);
    }
    let synced = bob.connects().await.ask("sync", json!({"cursors": {&room.id: cursor}})).await;
    let event = &list(&list(&synced, "rooms")[0], "events")[0];
    assert_eq!(event["data"]["message"]["sender"]["email"], bob.email.as_str(), "by sync as well");

    // A contact by another room is one here, too.
    let other = ada.opens_a_group("another", &[&bob]).await;
    bob.says(&other, "hello").await;
    let members = ada.get(&room.path("/members")).await.with_status(200);
    assert_eq!(find(list(&members, "members"), "user_id", &bob.id)["user"]["email"], bob.email.as_str());
    assert_eq!(find(list(&members, "members"), "user_id", &cyd.id)["user"]["email"], "c***@example.com");
}

/// Whoever opens a room that they were put into is seen there, by their own doing; and whoever takes part is seen in any case.
/// Catches a build that hides whoever was added, and one that shows them by what joins them to every room.
#[tokio::test]
async fn whoever_opens_a_room_is_seen_there() {
    let app = App::start().await;
    let [ada, bob] = app.users(["ada", "bob"]).await;
    let room = ada.opens_a_group("a room", &[&bob]).await;
    let mut adas = ada.enters(&room).await;
    let of_bob = |data: &Value| data["user_id"] == bob.id.as_str();
    let everywhere = bob.hears_everything().await;
    let opened = bob.enters(&room).await;
    adas.expect_that("user_joined", of_bob).await;
    opened.leave().await;
    adas.expect_that("user_left", of_bob).await;
    everywhere.ask("send_message", json!({"room_id": room.id, "content": "hello"})).await;
    everywhere.leave().await;
    let everywhere = bob.hears_everything().await;
    adas.expect_that("user_joined", of_bob).await;
    everywhere.leave().await;
    adas.expect_that("user_left", of_bob).await;
    let heard = adas.heard().await;
    assert!(heard.iter().all(|event| !event.name.starts_with("user_joined")), "once each: {heard:?}");
}

/// A changed profile is told to all who share a room, and the address in it to contacts. Catches a build that writes it once for all.
#[tokio::test]
async fn a_changed_profile_tells_strangers_no_address() {
    let app = App::start().await;
    let [eve, ann, bob] = app.users(["eve", "ann", "bob"]).await;
    let friends = ann.opens_a_group("friends", &[&bob]).await;
    eve.opens_a_group("a trap", &[&ann]).await;
    let mut sockets = [eve.connects().await, bob.enters(&friends).await, ann.connects().await];
    ann.patch("/api/users/me", json!({"full_name": "Ann Other"})).await.ok();
    for (socket, email) in sockets.iter_mut().zip(["a***@example.com", &ann.email, &ann.email]) {
        let told = socket.expect("user_updated").await;
        assert_eq!((&told["user"]["full_name"], &told["user"]["email"]), (&json!("Ann Other"), &json!(email)));
    }
}

/// Catches a build that reads the setting in one place and not in another.
#[tokio::test]
async fn who_sees_addresses_is_a_setting() {
    for (setting, stranger, contact) in [("hidden", false, false), ("everyone", true, true)] {
        let app = App::with(Server::settings().with("PARLOUR__PRIVACY__EMAILS", setting)).await;
        let [ada, bob, eve] = app.users(["ada", "bob", "eve"]).await;
        let room = ada.opens_a_group("a room", &[&bob]).await;
        let mut adas = ada.enters(&room).await;
        let sent = bob.says(&room, "hello").await;
        assert_eq!(sent["sender"]["email"], bob.email.as_str(), "one's own");
        let shown = |value: &Value| value["email"] == bob.email.as_str();
        let told = adas.expect("new_message").await;
        assert_eq!(shown(&told["message"]["sender"]), contact, "{setting}: {told}");
        for (asking, expected) in [(&ada, contact), (&eve, stranger), (&bob, true)] {
            let user = asking.get(&format!("/api/users/{}", bob.id)).await.with_status(200);
            assert_eq!(shown(&user), expected, "{setting}: {} sees {user}", asking.name);
        }
        let members = ada.get(&room.path("/members")).await.with_status(200);
        assert_eq!(shown(&find(list(&members, "members"), "user_id", &bob.id)["user"]), contact, "{setting}");
        let found = eve.get("/api/users?search=bob@exam").await.with_status(200);
        assert_eq!(!list(&found, "users").is_empty(), stranger, "{setting}: found by the beginning of an address");
        if !contact {
            keeps_secret(&everything(&ada, &room, &bob).await, &bob.email, setting);
        }
        assert!(knows(&ada, &bob).await.1, "{setting}: presence is for contacts all the same");
        assert!(!knows(&eve, &bob).await.1, "{setting}: and for nobody else");
    }
}

/// On the other node it is the same: what a node writes for all who hear a room is sent to them there as well.
#[tokio::test]
async fn another_node_tells_no_more() {
    let cluster = Cluster::with(2, Server::settings().with("PARLOUR__REALTIME__PRESENCE_GRACE_MS", "50")).await;
    let (here, there) = cluster.pair();
    let [eve, ann, bob] = here.users(["eve", "ann", "bob"]).await;
    let room = eve.opens(json!({"visibility": "public"}), &[&ann]).await;
    let group = eve.opens_a_group("a group", &[&ann, &bob]).await;
    let mut witness = eve.enters(&room).await;
    witness.ask("join_room", json!({"room_id": group.id})).await;
    bob.says(&group, "hello").await;
    assert_eq!(witness.expect("new_message").await["message"]["sender"]["email"], bob.email.as_str());
    let anns = ann.at(there).hears_everything().await;
    let mut own = ann.at(there).enters(&room).await;
    anns.ask("send_message", json!({"room_id": room.id, "content": "hello"})).await;
    assert_eq!(witness.expect("new_message").await["message"]["sender"]["email"], "a***@example.com");
    assert_eq!(own.expect("new_message").await["message"]["sender"]["email"], ann.email.as_str());
    let bobs = bob.at(there).connects().await;
    witness.expect_that("user_online", |data| data["user_id"] == bob.id.as_str()).await;
    anns.leave().await;
    own.leave().await;
    bobs.leave().await;
    witness.expect_that("user_offline", |data| data["user_id"] == bob.id.as_str()).await;
    let told = told(&mut witness).await;
    assert!(!told.contains(&ann.email), "{told}");
    let of_ann = |line: &&str| line.contains(&ann.id) && (line.starts_with("user_on") || line.starts_with("user_off"));
    assert_eq!(told.lines().find(of_ann), None, "ann is online for nobody");
}

/// Characters that nobody sees are no search. Catches a build in which they match every name, and so leave out who has none.
#[tokio::test]
async fn a_search_for_what_cannot_be_seen_is_no_search() {
    let app = App::start().await;
    let ada = app.user("ada").await;
    let nameless = json!({"email": "nameless@example.com", "password": "correct horse battery"});
    app.site.post("/api/auth/register").json(&nameless).send().await.with_status(201);
    app.user("bob").await;
    for search in ["", "%C2%AD", "%20", "%E2%80%8B%C2%AD"] {
        let found = ada.get(&format!("/api/users?search={search}")).await.with_status(200);
        assert_eq!(found["total"], 2, "{search}: {found}");
    }
}
