//! Putting people into rooms: how many of those who do not know one, and who is asked first.

use serde_json::{Value, json};

use crate::support::{App, Cluster, Person, Reply, Room, Server, find, ids, int, list, server::Settings, text};

/// Limits as users get them, but for these; people are registered before the limits count, on the same data.
async fn people(limits: &[(&str, &str)], count: usize) -> (App, Person, Vec<Person>) {
    let generous = [("AUTH_PER_MINUTE", "1000"), ("REST_PER_MINUTE", "10000")];
    let settings = generous.iter().chain(limits).fold(Server::settings().with_limits(), |settings, (name, value)| {
        settings.with(&format!("PARLOUR__LIMITS__{name}"), value)
    });
    let app = App::with(settings).await;
    let eve = app.user("eve").await;
    let crowd = app.crowd(count).await;
    (app, eve, crowd)
}

async fn opens(eve: &Person, people: &[Person]) -> Reply {
    let members: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    eve.post("/api/chat/rooms", json!({"room_type": "group", "name": "a group", "member_ids": members})).await
}

async fn adds(eve: &Person, room: &Room, people: &[Person]) -> Reply {
    let members: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    eve.post(&room.path("/members"), json!({"user_ids": members})).await
}

async fn rooms_of(person: &Person) -> i64 {
    int(&person.get("/api/chat/rooms").await.with_status(200), "total")
}

fn limited(reply: &Reply) {
    reply.refused("RATE_LIMITED");
    let wait: u64 = reply.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After in seconds");
    assert!((1..=86_400).contains(&wait), "{reply}: {wait}");
}

/// One allowance for every way to bring strangers into a room. What exceeds it is refused whole, and costs nothing. Catches a build
/// without the limit, one that counts requests instead of people, one that leaves a way out, and one that adds those who still fit.
#[tokio::test]
async fn strangers_are_brought_into_rooms_at_a_measured_pace() {
    let (_app, eve, crowd) = people(&[("STRANGERS_PER_MINUTE", "6")], 9).await;
    let first = Room::of(&opens(&eve, &crowd[..3]).await.with_status(201));
    adds(&eve, &first, &crowd[2..4]).await.with_status(201);
    eve.asks_for_a_direct_room_with(&crowd[5]).await.with_status(201);
    for _ in 0..3 {
        eve.asks_for_a_direct_room_with(&crowd[5]).await.with_status(200);
    }
    let open = eve.opens(json!({"visibility": "invite_only"}), &[]).await;
    let before = rooms_of(&eve).await;
    limited(&opens(&eve, &crowd[6..8]).await);
    limited(&adds(&eve, &first, &crowd[6..8]).await);
    for person in &crowd[6..8] {
        assert_eq!(rooms_of(person).await, 0, "nothing is half done");
    }
    assert_eq!(rooms_of(&eve).await, before);
    eve.post(&open.path("/invitations"), json!({"user_id": crowd[6].id})).await.with_status(201);
    limited(&eve.post(&open.path("/invitations"), json!({"email": "somebody@example.com"})).await);
    limited(&eve.post(&first.path(&format!("/members/{}", crowd[7].id)), json!({})).await);
    limited(&eve.asks_for_a_direct_room_with(&crowd[7]).await);
    // Being in a room with them makes nobody less of a stranger.
    limited(&opens(&eve, &crowd[..1]).await);
    // Who has written is one of hers.
    crowd[0].says(&first, "hello").await;
    opens(&eve, &crowd[..1]).await.with_status(201);
    // and nobody else pays for it
    opens(&crowd[1], &crowd[2..6]).await.with_status(201);
    // Names of nobody cost nothing, nor do rooms that are not hers.
    let nobody = json!({"room_type": "group", "name": "x", "member_ids": ["0199d1c6-7a4e-7cc3-9d5a-3b1f0f6a2c11"]});
    eve.post("/api/chat/rooms", nobody).await.refused("USER_NOT_FOUND");
    adds(&crowd[3], &first, &crowd[6..8]).await.refused("PERMISSION_DENIED");
}

/// By names as well, in whatever case; a name of nobody adds nobody. Catches a build that knows ids alone.
#[tokio::test]
async fn people_are_added_by_their_names() {
    let app = App::start().await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let room = ada.opens_a_group("names", &[]).await;
    let adds = async |body: Value| ada.post(&room.path("/members"), body).await;
    let added = adds(json!({"usernames": ["Bob", "bob"]})).await.with_status(201);
    assert_eq!(ids_of_members(&added), [bob.id.as_str()]);
    let both = adds(json!({"usernames": ["cyd"], "user_ids": [dan.id]})).await.with_status(201);
    assert_eq!(ids_of_members(&both).len(), 2, "{both}");
    adds(json!({"usernames": ["cyd", "nobody"]})).await.refused("USER_NOT_FOUND");
    adds(json!({"usernames": ["BOB"], "user_ids": null})).await.refused("ALREADY_MEMBER");
    for bad in
        [json!({}), json!({"usernames": []}), json!({"usernames": ["a b"]}), json!({"usernames": vec!["bob"; 501]})]
    {
        adds(bad).await.refused("VALIDATION_ERROR");
    }
    let many = adds(json!({"usernames": ["bob", "cyd"], "user_ids": vec![&dan.id; 499]})).await;
    let fields: Vec<String> =
        list(&many.refused("VALIDATION_ERROR"), "errors").iter().map(|error| text(error, "field")).collect();
    assert_eq!(fields, ["user_ids", "usernames"], "neither is too long by itself");
    assert_eq!(ids_of_members(&ada.room(&room).await).len(), 4);
    cyd.get(&room.path("")).await.with_status(200);
}

/// Catches a build that counts the minute alone.
#[tokio::test]
async fn a_day_has_a_limit_of_its_own() {
    let (_app, eve, crowd) = people(&[("STRANGERS_PER_DAY", "4"), ("GROUPS_PER_DAY", "3")], 5).await;
    opens(&eve, &crowd[..3]).await.with_status(201);
    let second = Room::of(&opens(&eve, &[]).await.with_status(201));
    limited(&adds(&eve, &second, &crowd[3..5]).await);
    adds(&eve, &second, &crowd[3..4]).await.with_status(201);
    limited(&adds(&eve, &second, &crowd[4..5]).await);
    opens(&eve, &[]).await.with_status(201);
    let refused = opens(&eve, &[]).await;
    limited(&refused);
    let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!(wait > 3_600, "a third of a day: {wait}");
}

/// Groups without anybody in them are counted as well. Catches a build that counts members alone.
#[tokio::test]
async fn groups_are_opened_at_a_measured_pace() {
    let (_app, eve, crowd) = people(&[("GROUPS_PER_MINUTE", "3")], 1).await;
    for _ in 0..3 {
        opens(&eve, &[]).await.with_status(201);
    }
    limited(&opens(&eve, &crowd).await);
    eve.asks_for_a_direct_room_with(&crowd[0]).await.with_status(201);
    assert_eq!(rooms_of(&eve).await, 4);
}

/// With the limits that users get: a team of twenty at once, some smaller groups of them, and direct rooms.
#[tokio::test]
async fn a_team_fits_into_the_limits() {
    let (_app, lead, team) = people(&[], 20).await;
    opens(&lead, &team).await.with_status(201);
    for some in team.chunks(5) {
        opens(&lead, some).await.with_status(201);
    }
    for one in &team {
        lead.asks_for_a_direct_room_with(one).await.with_status(201);
    }
}

/// Two nodes count together. Catches a build that counts in the memory of each.
#[tokio::test]
async fn all_nodes_count_together() {
    let settings = Server::settings()
        .with_limits()
        .with("PARLOUR__LIMITS__AUTH_PER_MINUTE", "1000")
        .with("PARLOUR__LIMITS__STRANGERS_PER_MINUTE", "4");
    let cluster = Cluster::with(2, settings).await;
    let (here, there) = cluster.pair();
    let eve = here.user("eve").await;
    let crowd = here.crowd(5).await;
    opens(&eve, &crowd[..3]).await.with_status(201);
    limited(&opens(&eve.at(there), &crowd[3..5]).await);
    opens(&eve.at(there), &crowd[3..4]).await.with_status(201);
    limited(&opens(&eve, &crowd[4..5]).await);
}

fn asking_first() -> Settings {
    Server::settings().with("PARLOUR__PRIVACY__ADDING", "contacts")
}

/// The only open invitation of somebody.
async fn invitation(person: &Person) -> Value {
    let mine = person.get("/api/chat/invitations").await.with_status(200);
    assert_eq!(int(&mine, "total"), 1, "{}: {mine}", person.name);
    list(&mine, "invitations")[0].clone()
}

async fn accepts(person: &Person, invitation: &Value) -> Reply {
    person.post(&format!("/api/chat/invites/{}/join", text(invitation, "invitation_code")), json!({})).await
}

/// Where people are asked first, contacts are added and strangers invited, by every way to add. Catches a build that asks in one way
/// and not in another, one whose private rooms take no invitation, and one in which anybody accepts for somebody else.
#[tokio::test]
async fn strangers_are_asked_first_where_that_is_set() {
    let app = App::with(asking_first()).await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let meeting = ada.opens(json!({"visibility": "invite_only"}), &[]).await;
    let link = text(&ada.post(&meeting.path("/invite"), json!({})).await.with_status(201), "code");
    bob.post(&format!("/api/chat/invites/{link}/join"), json!({})).await.with_status(200);

    let body = json!({"room_type": "group", "name": "team", "member_ids": [bob.id, cyd.id]});
    let mut cyds = cyd.connects().await;
    let opened = ada.post("/api/chat/rooms", body).await.with_status(201);
    assert_eq!(opened["invited"], json!([cyd.id]), "{opened}");
    let members: Vec<String> = list(&opened, "members").iter().map(|member| text(member, "user_id")).collect();
    assert_eq!(members, [ada.id.clone(), bob.id.clone()], "bob has met her");
    let team = Room::of(&opened);
    cyd.get(&team.path("")).await.refused("ROOM_NOT_FOUND");
    assert_eq!(rooms_of(&cyd).await, 0);
    assert!(cyds.heard().await.is_empty(), "nothing is told to who is asked");

    let added = ada.post(&team.path("/members"), json!({"user_ids": [dan.id]})).await.with_status(201);
    assert_eq!((&added["members"], &added["invited"]), (&json!([]), &json!([dan.id])));
    let again = ada.post(&team.path(&format!("/members/{}", dan.id)), json!({})).await.with_status(201);
    assert_eq!(again["invited"], json!([dan.id]), "one that is open gives way");
    let (hers, his) = (invitation(&cyd).await, invitation(&dan).await);
    assert_eq!((&hers["room_id"], &hers["invited_by_id"]), (&json!(team.id), &json!(ada.id)));
    accepts(&dan, &hers).await.refused("INVITE_NOT_FOUND");
    dan.delete(&format!("/api/chat/invitations/{}", text(&hers, "id"))).await.refused("INVITE_NOT_FOUND");
    let seen = ada.get(&team.path("/invitations")).await.with_status(200);
    assert_eq!(int(&seen, "total"), 2, "who asked sees whom, and may take it back");

    let joined = accepts(&cyd, &hers).await.with_status(200);
    assert_eq!((&joined["id"], &joined["my_role"]), (&json!(team.id), &json!("member")));
    assert_eq!(cyds.expect("room_created").await["room"]["id"], team.id.as_str());
    accepts(&cyd, &hers).await.refused("ALREADY_MEMBER");
    dan.delete(&format!("/api/chat/invitations/{}", text(&his, "id"))).await.with_status(204);
    accepts(&dan, &his).await.refused("INVITE_NOT_FOUND");
    assert_eq!(rooms_of(&dan).await, 0);
    // By accepting she is known: now she is added at once.
    let other = ada.opens_a_group("other", &[&cyd]).await;
    cyd.get(&other.path("")).await.with_status(200);

    ada.post(&team.path("/members"), json!({"user_ids": [dan.id]})).await.with_status(201);
    ada.delete(&team.path("")).await.ok();
    assert_eq!(int(&dan.get("/api/chat/invitations").await.with_status(200), "total"), 0, "the room is gone");
}

/// The same for direct rooms: nobody is put into one by a stranger, and both have the same room in the end, whichever way they come to
/// it. Catches a build that opens a second room, or lets the one who waits be answered by nobody.
#[tokio::test]
async fn a_direct_room_waits_for_the_other_one_where_that_is_set() {
    let app = App::with(asking_first()).await;
    let [ada, bob, cyd, dan] = app.users(["ada", "bob", "cyd", "dan"]).await;
    let opened = ada.asks_for_a_direct_room_with(&bob).await.with_status(201);
    assert_eq!((&opened["member_count"], &opened["invited"]), (&json!(1), &json!([bob.id])));
    let room = Room::of(&opened);
    let first = ada.says(&room, "it is me").await;
    assert_eq!(rooms_of(&bob).await, 0);
    bob.tries_to_say(&room, "who?").await.refused("ROOM_NOT_FOUND");
    let asked = invitation(&bob).await;
    let again = ada.asks_for_a_direct_room_with(&bob).await.with_status(200);
    assert_eq!(text(&again, "id"), room.id);
    let asked_again = invitation(&bob).await;
    accepts(&bob, &asked).await.refused("INVITE_NOT_FOUND");
    cyd.post(&format!("/api/chat/invites/{}/join", text(&asked_again, "invitation_code")), json!({}))
        .await
        .refused("INVITE_NOT_FOUND");
    let mut adas = ada.enters(&room).await;
    let joined = accepts(&bob, &asked_again).await.with_status(200);
    assert_eq!((&joined["id"], &joined["my_role"]), (&json!(room.id), &json!("member")));
    assert_eq!(adas.expect("member_added").await["member"]["user_id"], bob.id.as_str());
    assert_eq!(ids(&bob.history(&room).await), [text(&first, "id")]);
    bob.says(&room, "hello").await;

    // Who asks for the room that they were invited to accepts by that.
    let waiting = Room::of(&cyd.asks_for_a_direct_room_with(&dan).await.with_status(201));
    let same = dan.asks_for_a_direct_room_with(&cyd).await.with_status(200);
    assert_eq!((text(&same, "id"), int(&same, "member_count")), (waiting.id.clone(), 2));
    dan.says(&waiting, "hello").await;
    cyd.says(&waiting, "hello").await;
    assert_eq!(int(&dan.get("/api/chat/invitations").await.with_status(200), "total"), 0);
    for person in [&ada, &bob, &cyd, &dan] {
        assert_eq!(rooms_of(person).await, 1, "{}", person.name);
    }
}

/// Catches a build where whoever declines can be invited again without a limit, and one that charges whoever accepts.
#[tokio::test]
async fn asking_again_for_a_direct_room_costs_as_much_as_the_first_time() {
    let settings = [("AUTH_PER_MINUTE", "1000"), ("STRANGERS_PER_MINUTE", "2")]
        .iter()
        .fold(asking_first().with_limits(), |all, (name, value)| all.with(&format!("PARLOUR__LIMITS__{name}"), value));
    let app = App::with(settings).await;
    let [eve, bob, cyd, dan] = app.users(["eve", "bob", "cyd", "dan"]).await;
    for status in [201, 200] {
        eve.asks_for_a_direct_room_with(&bob).await.with_status(status);
        let asked = text(&invitation(&bob).await, "id");
        bob.delete(&format!("/api/chat/invitations/{asked}")).await.ok();
    }
    limited(&eve.asks_for_a_direct_room_with(&bob).await);
    bob.asks_for_a_direct_room_with(&eve).await.with_status(200);
    opens(&bob, &[cyd, dan]).await.with_status(201);
    for _ in 0..3 {
        eve.asks_for_a_direct_room_with(&bob).await.with_status(200);
    }
}

/// Whoever leaves again and again is not put back by a stranger, whatever the settings; once is a mistake that can be mended. Catches a
/// build in which leaving a room helps nothing.
#[tokio::test]
async fn whoever_leaves_again_and_again_is_only_invited() {
    let app = App::start().await;
    let [eve, ann] = app.users(["eve", "ann"]).await;
    let room = eve.opens_a_group("a trap", &[&ann]).await;
    let puts_back = async || eve.post(&room.path("/members"), json!({"user_ids": [ann.id]})).await.with_status(201);
    ann.post(&room.path("/leave"), json!({})).await.ok();
    assert_eq!(ids_of_members(&puts_back().await), [ann.id.as_str()], "once");
    eve.removes(&ann, &room).await;
    assert_eq!(ids_of_members(&puts_back().await), [ann.id.as_str()], "being removed is no leaving");
    ann.post(&room.path("/leave"), json!({})).await.ok();
    for _ in 0..2 {
        let answer = puts_back().await;
        assert_eq!((ids_of_members(&answer), &answer["invited"]), (vec![], &json!([ann.id])));
        ann.get(&room.path("")).await.refused("ROOM_NOT_FOUND");
    }
    let members = eve.get(&room.path("/members")).await.with_status(200);
    assert_eq!(int(&members, "total"), 1);
    accepts(&ann, &invitation(&ann).await).await.with_status(200);
    let members = eve.get(&room.path("/members")).await.with_status(200);
    find(list(&members, "members"), "user_id", &ann.id);
}

fn ids_of_members(answer: &Value) -> Vec<String> {
    list(answer, "members").iter().map(|member| text(member, "user_id")).collect()
}
