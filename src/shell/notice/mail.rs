//! A notice by mail.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::desk::Outcome;
use super::secret;
use super::text::Text;
use crate::config::notify::{Mail, Security};

/// Sends once, each step within `patience`.
pub(super) async fn send(
    mail: &Mail,
    to: (&str, &str),
    text: &Text,
    id: &str,
    patience: Duration,
) -> Outcome {
    let message = match message(mail, to, text, id) {
        Ok(message) => message,
        Err(why) => return Outcome::Never(why),
    };
    let mail = mail.clone();
    // It reads files, some hundred on some machines.
    let transport = match tokio::task::spawn_blocking(move || transport(&mail, patience)).await {
        Ok(Ok(transport)) => transport,
        // A file that is not there, or not yet.
        Ok(Err(why)) => return Outcome::Again(why),
        Err(error) => return Outcome::Again(error.to_string()),
    };
    match transport.send(message).await {
        Ok(_) => Outcome::Sent,
        Err(error) if error.is_permanent() => {
            Outcome::Never(format!("the mail server refused: {}", told(&error)))
        }
        Err(error) => Outcome::Again(told(&error)),
    }
}

/// An error with its cause.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) if !error.to_string().contains(&cause.to_string()) => format!("{error}: {cause}"),
        Some(_) | None => error.to_string(),
    }
}

fn message(mail: &Mail, (name, address): (&str, &str), text: &Text, id: &str) -> Result<Message, String> {
    let mailbox = |name: &str, address: &str| {
        let address = address.parse::<Address>().map_err(|error| error.to_string())?;
        Ok::<_, String>(Mailbox::new(Some(name.to_owned()), address))
    };
    let from = mailbox("qindan", &mail.from)?;
    let host = from.email.domain().to_owned();
    let builder: MessageBuilder = Message::builder();
    builder
        .from(from)
        .to(mailbox(name, address)?)
        .subject(text.subject.clone())
        .message_id(Some(format!("<{id}@{host}>")))
        .header(ContentType::TEXT_PLAIN)
        .body(text.body.clone())
        .map_err(|error| error.to_string())
}

fn transport(mail: &Mail, patience: Duration) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(mail.host.clone())
        .port(mail.port)
        .timeout(Some(patience));
    let tls = match mail.security {
        Security::None => Tls::None,
        Security::Tls => Tls::Wrapper(parameters(mail)?),
        Security::Starttls => Tls::Required(parameters(mail)?),
    };
    builder = builder.tls(tls);
    if let Some((user, password)) = &mail.user {
        builder = builder.credentials(Credentials::new(user.clone(), secret::read(password)?));
    }
    Ok(builder.build())
}

/// TLS that trusts the authorities of a file, or those of this machine.
fn parameters(mail: &Mail) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(path) = &mail.ca {
        let shown = path.display();
        let pem = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
        let ca = Certificate::from_pem(&pem).map_err(|error| format!("{shown}: {error}"))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(ca);
    }
    builder.build().map_err(|error| error.to_string())
}
