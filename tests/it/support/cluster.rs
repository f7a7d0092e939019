//! Several nodes on one PostgreSQL and one Redis, each with a line of its own to that Redis.

use super::{App, SOON, Server, eventually, line::Line, postgres, redis::Redis, server::Settings};

/// Some nodes, and what is between them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<App>,
    pub(crate) redis: Redis,
    /// The way of each node to Redis.
    pub(crate) lines: Vec<Line>,
}

impl Cluster {
    /// Fresh nodes without limits.
    pub(crate) async fn start(count: usize) -> Self {
        Self::with(count, Server::settings()).await
    }

    pub(crate) async fn with(count: usize, settings: Settings) -> Self {
        let database = postgres::shared_database().await;
        Self::on(count, settings.with("DATABASE_URL", &database)).await
    }

    /// Nodes whose database is named already.
    pub(crate) async fn on(count: usize, settings: Settings) -> Self {
        let redis = Redis::start().await;
        let (mut nodes, mut lines) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let line = Line::to(redis.addr()).await;
            let url = format!("redis://{}", line.addr());
            nodes.push(App::with(settings.clone().with("REDIS_URL", &url)).await);
            lines.push(line);
        }
        let cluster = Self { nodes, redis, lines };
        cluster.hears_of_others().await;
        cluster
    }

    /// Waits until every node has its Redis.
    pub(crate) async fn hears_of_others(&self) {
        for node in &self.nodes {
            node.has_bus("ok").await;
        }
    }

    /// Two of the nodes.
    pub(crate) fn pair(&self) -> (&App, &App) {
        (&self.nodes[0], &self.nodes[1])
    }
}

impl App {
    /// Waits until the node says this of its bus.
    pub(crate) async fn has_bus(&self, state: &str) {
        let says = async || {
            let reply = self.site.get("/readyz").send().await;
            reply.json()["checks"]["bus"] == state
        };
        eventually(SOON, &format!("a bus that is {state}"), says).await;
    }
}
