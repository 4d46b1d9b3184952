//! What a person does in a scenario, with what only the moment can tell: the number of a ticket, a proposal, a warning.

use qindan::basin::GateId;
use qindan::control::Controller;
use qindan::control::operator::Order;

/// An act, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// Who acts; `None`: whoever is on duty.
    pub who: Option<String>,
    /// What they do.
    pub does: Does,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Something that is known in full before.
    Order(Order),
    /// Accepts the proposal that waits at a gate: as the second of two where one has signed it.
    Accept(GateId),
    /// Signs the ticket of a gate.
    SignTicket(GateId),
    /// Ends the ticket of a gate.
    EndTicket(GateId),
    /// Cancels the warning of a section or wetland.
    CancelWarning {
        /// Its identifier.
        element: String,
        /// Why.
        reason: String,
    },
    /// Closes the incident of a reach.
    CloseIncident {
        /// Identifier of the reach.
        reach: String,
        /// Why.
        reason: String,
    },
}

/// Something whoever is on duty does.
impl From<Order> for Deed {
    fn from(order: Order) -> Self {
        Self { who: None, does: Does::Order(order) }
    }
}

impl Deed {
    /// The gate it is about.
    pub fn gate(&self) -> Option<GateId> {
        match &self.does {
            Does::Order(order) => order.gate(),
            Does::Accept(gate) | Does::SignTicket(gate) | Does::EndTicket(gate) => Some(*gate),
            Does::CancelWarning { .. } | Does::CloseIncident { .. } => None,
        }
    }

    /// The order as the service takes it now.
    ///
    /// # Errors
    /// What there is none of.
    pub fn now(&self, seen: &Controller) -> Result<Order, &'static str> {
        let ticket = |gate: GateId| {
            let open = seen.tickets().open().iter().find(|ticket| ticket.gate == gate);
            open.map(|ticket| ticket.id).ok_or("this gate has no ticket")
        };
        match &self.does {
            Does::Order(order) => Ok(order.clone()),
            Does::Accept(gate) => {
                let open = seen.advice().open().iter().find(|open| open.gate == *gate);
                let open = open.ok_or("nothing is proposed of this gate")?;
                let (proposal, opening, second) = (open.id, open.to, !open.signed.is_empty());
                Ok(Order::Accept { gate: *gate, proposal, opening, second })
            }
            Does::SignTicket(gate) => Ok(Order::SignTicket { gate: *gate, ticket: ticket(*gate)? }),
            Does::EndTicket(gate) => Ok(Order::EndTicket { gate: *gate, ticket: ticket(*gate)? }),
            Does::CancelWarning { element, reason } => {
                let watch = seen.warnings().watches().iter().find(|watch| watch.element == *element);
                let issued = watch.and_then(|watch| watch.issued.as_ref()).ok_or("no warning is in force")?;
                let (element, reason) = (element.clone(), reason.clone());
                Ok(Order::CancelWarning { element, warning: issued.id, reason })
            }
            Does::CloseIncident { reach, reason } => {
                let open = seen.incidents().open().iter().find(|one| one.report.reach == *reach);
                let incident = open.ok_or("no incident is open in this reach")?.id;
                Ok(Order::CloseIncident { incident, reason: reason.clone() })
            }
        }
    }
}

/// An order in words, for whoever has to do it by hand on the page.
impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.does {
            Does::Order(order) => write!(f, "{order:?}")?,
            does @ (Does::Accept(_)
            | Does::SignTicket(_)
            | Does::EndTicket(_)
            | Does::CancelWarning { .. }
            | Does::CloseIncident { .. }) => write!(f, "{does:?}")?,
        }
        self.who.as_ref().map_or(Ok(()), |who| write!(f, ", as {who}"))
    }
}
