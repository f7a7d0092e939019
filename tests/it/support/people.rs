//! People and rooms, so that tests read as what happens.

use entity::{Timestamp, UserId, user};
use reqwest::Method;
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use super::{
    Reply, SOON, Server, Socket, Transport, eventually, int, list,
    rest::{Request, Site},
    server::Settings,
    socket::Refusal,
    text,
};

/// The password of everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A node and those who talk to it.
pub(crate) struct App {
    pub(crate) server: Server,
    pub(crate) site: Site,
}

impl App {
    /// A fresh node without limits.
    pub(crate) async fn start() -> Self {
        Self::with(Server::settings()).await
    }

    /// A fresh node with the limits that users get.
    pub(crate) async fn with_limits() -> Self {
        Self::with(Server::settings().with_limits()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let server = settings.start().await;
        let site = Site::new(server.addr());
        Self { server, site }
    }

    /// Starts the node again on the same data, after it ended in whatever way.
    pub(crate) async fn start_again(&mut self) {
        self.server.start_again().await;
        self.site.moved_to(self.server.addr());
    }

    /// Starts the node again with the limits that users get: who is here by then was made without them.
    pub(crate) async fn limit(&mut self) {
        self.server.stop(SOON * 2).await;
        self.server.set("PARLOUR__LIMITS__ENABLED", "true");
        self.start_again().await;
    }

    /// Somebody with an account, signed in.
    pub(crate) async fn user(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": PASSWORD, "username": name});
        let user = self.site.post("/api/auth/register").json(&body).send().await.with_status(201);
        let mut person = Person {
            id: text(&user, "id"),
            name: name.to_owned(),
            email,
            token: String::new(),
            refresh_token: String::new(),
            site: self.site.clone(),
        };
        person.sign_in().await;
        person
    }

    /// Several of them.
    pub(crate) async fn users<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let mut people = Vec::with_capacity(N);
        for name in names {
            people.push(self.user(name).await);
        }
        people.try_into().unwrap_or_else(|_| unreachable!("as many people as names"))
    }

    /// As many as a crowd needs.
    pub(crate) async fn crowd(&self, count: usize) -> Vec<Person> {
        let mut people = Vec::with_capacity(count);
        for number in 0..count {
            people.push(self.user(&format!("guest{number}")).await);
        }
        people
    }

    /// People who make a room large and never sign in. They come past the node, which would spend seconds on their passwords.
    pub(crate) async fn silent(&self, count: usize) -> Vec<Person> {
        let accounts: Vec<user::Model> = (0..count).map(|number| silent(&format!("silent{number}"))).collect();
        let rows = accounts.iter().cloned().map(IntoActiveModel::into_active_model);
        user::Entity::insert_many(rows).exec(&self.server.database().await).await.expect("the names are free");
        let person = |account: user::Model| Person {
            id: account.id.to_string(),
            name: account.username.unwrap_or_default(),
            email: account.email,
            token: String::new(),
            refresh_token: String::new(),
            site: self.site.clone(),
        };
        accounts.into_iter().map(person).collect()
    }
}

/// An account without a password.
fn silent(name: &str) -> user::Model {
    user::Model {
        id: UserId::new(),
        email: format!("{name}@example.com"),
        username: Some(name.to_owned()),
        username_key: Some(name.to_owned()),
        password_hash: None,
        full_name: None,
        name_key: None,
        avatar_url: None,
        avatar_media_id: None,
        is_active: true,
        is_verified: false,
        is_superuser: false,
        is_bot: false,
        shares_receipts: true,
        created_at: Timestamp(0),
        profile_changed_at: None,
        last_login: None,
        erasing: None,
        is_invisible: false,
        last_seen_at: None,
    }
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) site: Site,
}

/// A room.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
}

impl Room {
    /// The room that this answer describes.
    pub(crate) fn of(details: &Value) -> Self {
        Self { id: text(details, "id") }
    }

    /// The address of something in this room.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/api/chat/rooms/{}{rest}", self.id)
    }
}

impl Person {
    /// A new session, used from here on.
    pub(crate) async fn sign_in(&mut self) {
        self.sign_in_with(PASSWORD).await;
    }

    /// A new session, by this password.
    pub(crate) async fn sign_in_with(&mut self, password: &str) {
        let tokens = self.login(password).await.with_status(200);
        self.token = text(&tokens, "access_token");
        self.refresh_token = text(&tokens, "refresh_token");
    }

    /// The same person, with the same session, talking to another node.
    pub(crate) fn at(&self, app: &App) -> Self {
        Self { site: app.site.clone(), ..self.clone() }
    }

    /// The same person on another device, with a session of its own.
    pub(crate) async fn on_another_device(&self) -> Self {
        let mut other = self.clone();
        other.sign_in().await;
        other
    }

    pub(crate) async fn login(&self, password: &str) -> Reply {
        let body = json!({"email": self.email, "password": password});
        self.site.post("/api/auth/login").json(&body).send().await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        self.site.request(method, path).token(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.request(Method::POST, path).json(&body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.request(Method::PATCH, path).json(&body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.request(Method::PUT, path).json(&body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path).send().await
    }

    pub(crate) async fn opens_a_group(&self, name: &str, others: &[&Self]) -> Room {
        let members: Vec<&str> = others.iter().map(|person| person.id.as_str()).collect();
        let body = json!({"room_type": "group", "name": name, "member_ids": members});
        Room::of(&self.post("/api/chat/rooms", body).await.with_status(201))
    }

    /// A group with these settings.
    pub(crate) async fn opens(&self, settings: Value, others: &[&Self]) -> Room {
        let members: Vec<&str> = others.iter().map(|person| person.id.as_str()).collect();
        let mut body = json!({"room_type": "group", "name": "a room", "member_ids": members});
        for (key, value) in settings.as_object().expect("settings are an object") {
            body[key] = value.clone();
        }
        Room::of(&self.post("/api/chat/rooms", body).await.with_status(201))
    }

    pub(crate) async fn asks_for_a_direct_room_with(&self, other: &Self) -> Reply {
        self.post("/api/chat/rooms", json!({"room_type": "direct", "member_ids": [other.id]})).await
    }

    pub(crate) async fn opens_a_direct_room_with(&self, other: &Self) -> Room {
        Room::of(&self.asks_for_a_direct_room_with(other).await.ok())
    }

    /// Gives `other` a role in `room`.
    pub(crate) async fn makes(&self, other: &Self, role: &str, room: &Room) {
        self.patch(&room.path(&format!("/members/{}", other.id)), json!({"role": role})).await.ok();
    }

    pub(crate) async fn removes(&self, other: &Self, room: &Room) {
        self.delete(&room.path(&format!("/members/{}", other.id))).await.ok();
    }

    pub(crate) async fn tries_to_say(&self, room: &Room, content: &str) -> Reply {
        self.post("/api/chat/messages", json!({"room_id": room.id, "message_type": "text", "content": content})).await
    }

    pub(crate) async fn says(&self, room: &Room, content: &str) -> Value {
        self.tries_to_say(room, content).await.with_status(201)
    }

    pub(crate) async fn room(&self, room: &Room) -> Value {
        self.get(&room.path("")).await.with_status(200)
    }

    /// The end of the room's log, now.
    pub(crate) async fn last_seq(&self, room: &Room) -> i64 {
        int(&self.room(room).await, "last_seq")
    }

    /// Waits until the search index has been given everything that is in these rooms; there must be no others.
    pub(crate) async fn sees_indexed(&self, rooms: &[&Room]) {
        let mut entries = 0;
        for room in rooms {
            entries += self.last_seq(room).await;
        }
        let line = format!("parlour_follower_entries_total{{follower=\"search\"}} {entries}");
        eventually(SOON * 3, &line, async || {
            self.site.get("/metrics").send().await.body.lines().any(|told| told == line)
        })
        .await;
    }

    /// Every message of the room, oldest first.
    pub(crate) async fn history(&self, room: &Room) -> Vec<Value> {
        let (mut messages, mut after) = (Vec::new(), 0);
        loop {
            let page = self.get(&room.path(&format!("/messages?after_seq={after}&limit=100"))).await.with_status(200);
            messages.extend_from_slice(list(&page, "messages"));
            if page["has_more"] != true {
                return messages;
            }
            after = int(&page, "last_seq");
        }
    }

    /// Every entry of the room's log, oldest first, as `sync` tells it.
    pub(crate) async fn log_of(&self, room: &Room) -> Vec<Value> {
        let socket = self.connects().await;
        let (mut entries, mut after) = (Vec::new(), 0);
        loop {
            let answer = socket.ask("sync", json!({"cursors": {&room.id: after}, "limit": 1_000})).await;
            let page = &list(&answer, "rooms")[0];
            entries.extend_from_slice(list(page, "events"));
            if page["has_more"] != true {
                return entries;
            }
            after = int(&entries.last().expect("a page with more has entries")["data"], "seq");
        }
    }

    /// A WebSocket that hears what it joins.
    pub(crate) async fn connects(&self) -> Socket {
        self.connects_with(json!({})).await
    }

    /// A WebSocket that has joined all rooms of this person: what it emits is answered after that.
    pub(crate) async fn hears_everything(&self) -> Socket {
        let socket = self.connects_with(json!({"rooms": "all"})).await;
        socket.ask("ping", json!({})).await;
        socket
    }

    /// A WebSocket that has joined one room.
    pub(crate) async fn enters(&self, room: &Room) -> Socket {
        let mut socket = self.connects().await;
        socket.ask("join_room", json!({"room_id": room.id})).await;
        socket.expect("room_joined").await;
        socket
    }

    /// A WebSocket whose `auth` has these fields besides the token.
    pub(crate) async fn connects_with(&self, auth: Value) -> Socket {
        self.connects_by(Transport::WebSocket, auth).await
    }

    pub(crate) async fn connects_by(&self, transport: Transport, auth: Value) -> Socket {
        match self.tries_to_connect_by(transport, auth).await {
            Ok(socket) => socket,
            Err(refusal) => panic!("{} should be let in, got {refusal:?}", self.name),
        }
    }

    pub(crate) async fn tries_to_connect_by(&self, transport: Transport, mut auth: Value) -> Result<Socket, Refusal> {
        auth["token"] = json!(self.token);
        Socket::open(&self.site, transport, &auth).await
    }
}
