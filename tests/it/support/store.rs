//! Where media is kept: a folder, or a stand-in for an object store on a port of its own.
//!
//! Each stand-in checks what the real store checks: signatures, keys, limits. It is reached through a proxy that can be
//! blocked.

mod moto;
mod s3;
mod supabase;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{proxy::Proxy, server::Settings};

/// The bucket of every stand-in.
const BUCKET: &str = "chat-media";
const ACCESS_KEY: &str = "AKIAPARLOURTEST00000";
const SECRET_KEY: &str = "9vXr0Qm3bT7kYwZ1uLhS5dEaN8cJfGpR2iOxVtKe";
const REGION: &str = "eu-central-1";

/// The stores that Parlour can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// A folder beside the database.
    Local,
    /// S3 in this process, which checks every signature.
    S3,
    /// S3 as moto plays it: closer to what AWS answers, and it checks no signature.
    Moto,
    /// Supabase Storage.
    Supabase,
}

/// A store of one test's own, there for as long as this value.
pub(crate) struct Store {
    place: Place,
}

enum Place {
    Folder(TempDir),
    Remote { proxy: Proxy, inside: Inside },
}

enum Inside {
    S3(s3::S3),
    Moto(moto::Bucket),
    Supabase(supabase::Supabase),
}

impl Store {
    /// An empty store.
    pub(crate) async fn start(kind: StoreKind) -> Self {
        let (inside, addr) = match kind {
            StoreKind::Local => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                return Self { place: Place::Folder(folder) };
            }
            StoreKind::S3 => s3::S3::start().await.map_inside(Inside::S3),
            StoreKind::Moto => moto::Bucket::make().await.map_inside(Inside::Moto),
            StoreKind::Supabase => supabase::Supabase::start().await.map_inside(Inside::Supabase),
        };
        Self { place: Place::Remote { proxy: Proxy::to(addr).await, inside } }
    }

    /// The settings of a server that keeps its media here.
    pub(crate) fn settings(&self, settings: Settings) -> Settings {
        let (proxy, inside) = match &self.place {
            Place::Folder(folder) => {
                let path = folder.path().to_str().expect("temporary folders have plain names");
                return settings.with("PARLOUR__MEDIA__STORE", "local").with("DATA_DIR", path);
            }
            Place::Remote { proxy, inside } => (proxy, inside),
        };
        let url = format!("http://{}", proxy.addr());
        match inside {
            Inside::S3(_) => signed(settings, &url).with("AWS_BUCKET", BUCKET),
            Inside::Moto(bucket) => signed(settings, &url).with("S3_BUCKET", &bucket.name),
            Inside::Supabase(_) => settings
                .with("PARLOUR__MEDIA__STORE", "supabase")
                .with("SUPABASE_URL", &url)
                .with("SUPABASE_SECRET_KEY", supabase::SECRET)
                .with("SUPABASE_BUCKET", BUCKET),
        }
    }

    /// Everything that takes up space here, in order: objects by their keys, and what began to be one by some name.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let mut keys = self.objects().await;
        if let Place::Remote { inside, .. } = &self.place {
            match inside {
                Inside::S3(s3) => keys.extend(s3.parts()),
                Inside::Moto(bucket) => keys.extend(bucket.unfinished().await),
                Inside::Supabase(_) => {}
            }
        }
        keys
    }

    /// The same without the parts of uploads that were neither completed nor aborted. The rules of a bucket remove these
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html>).
    pub(crate) async fn objects(&self) -> Vec<String> {
        let mut keys = match &self.place {
            Place::Folder(folder) => files_under(&folder.path().join("media")),
            Place::Remote { inside: Inside::S3(s3), .. } => s3.keys(),
            Place::Remote { inside: Inside::Moto(bucket), .. } => bucket.keys().await,
            Place::Remote { inside: Inside::Supabase(supabase), .. } => supabase.keys(),
        };
        keys.sort();
        keys
    }

    /// The folder of a local store.
    pub(crate) fn folder(&self) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.path().join("media"),
            Place::Remote { .. } => panic!("this store has no folder"),
        }
    }

    /// Takes connections from here on, and answers nothing, on those that are open neither.
    pub(crate) fn stall(&self) {
        self.proxy().stall();
    }

    /// Ends what is going on and takes nothing more. A folder becomes a file: even root writes nothing into that.
    pub(crate) fn cut(&self) {
        match &self.place {
            Place::Folder(folder) => {
                let media = folder.path().join("media");
                std::fs::rename(&media, aside(folder)).expect("the folder is there");
                std::fs::write(&media, "not a folder").expect("its name is free");
            }
            Place::Remote { proxy, .. } => proxy.cut(),
        }
    }

    /// Undoes [`Self::stall`] and [`Self::cut`].
    pub(crate) fn resume(&self) {
        match &self.place {
            Place::Folder(folder) => {
                let media = folder.path().join("media");
                std::fs::remove_file(&media).expect("the store was cut");
                std::fs::rename(aside(folder), &media).expect("the store was cut");
            }
            Place::Remote { proxy, .. } => proxy.resume(),
        }
    }

    fn proxy(&self) -> &Proxy {
        match &self.place {
            Place::Folder(_) => panic!("a folder cannot be made to wait"),
            Place::Remote { proxy, .. } => proxy,
        }
    }
}

fn aside(folder: &TempDir) -> PathBuf {
    folder.path().join("media-set-aside")
}

fn signed(settings: Settings, url: &str) -> Settings {
    settings
        .with("PARLOUR__MEDIA__STORE", "s3")
        .with("AWS_ENDPOINT_URL", url)
        .with("AWS_REGION", REGION)
        .with("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

/// A stand-in that has started, and where it listens.
struct Started<T> {
    inside: T,
    addr: SocketAddr,
}

impl<T> Started<T> {
    fn map_inside(self, wrap: impl FnOnce(T) -> Inside) -> (Inside, SocketAddr) {
        (wrap(self.inside), self.addr)
    }
}

/// Every file below `root`, by its path from there; none when there is no such folder.
fn files_under(root: &Path) -> Vec<String> {
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a temporary folder can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it was found there");
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found
}
