//! Mails to people who are invited by e-mail address.

use std::{sync::Arc, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::config;

/// How long an SMTP server may take over one command.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Mails that are sent at the same time; others wait.
const UNDERWAY: usize = 4;

/// Mails that may wait. More are dropped, because a server that is down for long would fill the memory.
const WAITING: usize = 1000;

/// An invitation by mail.
#[derive(Debug)]
pub struct Letter {
    pub to: String,
    /// The room's name.
    pub room: String,
    pub code: String,
}

/// The mail server, if one is configured.
#[derive(Clone, Debug)]
pub struct Mail {
    post: Option<Arc<Post>>,
}

#[derive(Debug)]
struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    link: String,
    waiting: Arc<Semaphore>,
    underway: Semaphore,
}

impl Mail {
    /// Mail as configured; none without an SMTP server.
    ///
    /// # Errors
    /// When the address of the server or of the sender is invalid.
    pub fn new(config: &config::Mail) -> Result<Self, String> {
        let Some((server, from)) = config.server()? else { return Ok(Self { post: None }) };
        let post = Post {
            transport: server.timeout(Some(TIMEOUT)).build(),
            from,
            link: config.invite_link.clone(),
            waiting: Arc::new(Semaphore::new(WAITING)),
            underway: Semaphore::new(UNDERWAY),
        };
        Ok(Self { post: Some(Arc::new(post)) })
    }

    /// Checks that the mail server, if there is one, accepts mails.
    ///
    /// # Errors
    /// Why it would not.
    pub async fn check(&self) -> Result<(), String> {
        let Some(post) = &self.post else { return Ok(()) };
        match timeout(TIMEOUT, post.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it refuses".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Sends a mail without waiting for it. Whether it arrives is not known; the inviting user has the code from the answer.
    pub fn send(&self, letter: Letter) {
        let Some(post) = self.post.clone() else { return };
        let Ok(waiting) = Arc::clone(&post.waiting).try_acquire_owned() else {
            tracing::warn!("too many mails wait for the mail server; one was dropped");
            return;
        };
        tokio::spawn(async move {
            let _waiting = waiting;
            let Ok(_permit) = post.underway.acquire().await else { return };
            // Neither the address nor the code may be logged.
            let outcome = match post.compose(letter) {
                Some(message) => post.transport.send(message).await.map(drop).map_err(|error| error.is_permanent()),
                None => Err(true),
            };
            match outcome {
                Ok(()) => metrics::counter!("parlour_mails_sent_total").increment(1),
                Err(permanent) => tracing::warn!(permanent, "an invitation could not be mailed"),
            }
        });
    }
}

impl Post {
    fn compose(&self, letter: Letter) -> Option<Message> {
        let Letter { to, room, code } = letter;
        let way = if self.link.is_empty() { format!("Your code: {code}") } else { self.link.replace("{code}", &code) };
        let text = format!("You are invited to join \"{room}\".\n\n{way}\n\nThe invitation is good for seven days.\n");
        Message::builder()
            .from(self.from.clone())
            .to(to.parse().ok()?)
            .subject(format!("Invitation to {room}"))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .ok()
    }
}
