//! The whole graph of states, for what no single state shows: that from each of them an outcome can still be reached.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

use stateright::Model;

use super::{
    Design,
    world::{Action, World},
};

/// Every reachable state: whether its command has its final record, how it was reached first, and from where else it can be.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) ended: Vec<bool>,
    pub(super) came_from: Vec<Option<(u32, Action)>>,
    pub(super) leads_back_to: Vec<Vec<u32>>,
}

impl Graph {
    pub(super) fn of(design: &Design) -> Self {
        let mut graph = Self::default();
        // By their hashes, like the checker's own: two worlds that share 64 bits would be one of 10^8 such runs.
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut waiting = VecDeque::new();
        for world in design.init_states() {
            numbers.insert(fingerprint(&world), graph.add(&world, None));
            waiting.push_back((0, world));
        }
        let mut actions = Vec::new();
        while let Some((number, world)) = waiting.pop_front() {
            design.actions(&world, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = design.next_state(&world, action) else { continue };
                let reached = match numbers.entry(fingerprint(&next)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        let reached = *new.insert(graph.add(&next, Some((number, action))));
                        waiting.push_back((reached, next));
                        reached
                    }
                };
                graph.leads_back_to[reached as usize].push(number);
            }
        }
        graph
    }

    pub(super) fn add(&mut self, world: &World, from: Option<(u32, Action)>) -> u32 {
        self.ended.push(world.lives.iter().all(|life| life.durable.is_none() || life.final_state().is_some()));
        self.came_from.push(from);
        self.leads_back_to.push(Vec::new());
        u32::try_from(self.ended.len() - 1).unwrap()
    }

    /// The way to the first state from which no final record can be reached, by searching backwards from all that have one.
    pub(super) fn stuck(&self) -> Option<Vec<Action>> {
        let mut fine = self.ended.clone();
        let mut waiting: Vec<usize> = (0..fine.len()).filter(|number| fine[*number]).collect();
        while let Some(number) = waiting.pop() {
            for before in self.leads_back_to[number].iter().map(|before| *before as usize) {
                if !std::mem::replace(&mut fine[before], true) {
                    waiting.push(before);
                }
            }
        }
        fine.iter().position(|fine| !fine).map(|number| self.trace(number))
    }

    pub(super) fn trace(&self, mut number: usize) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((before, action)) = self.came_from[number] {
            actions.push(action);
            number = before as usize;
        }
        actions.reverse();
        actions
    }
}

pub(super) fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
