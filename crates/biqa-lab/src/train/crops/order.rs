//! Which photos a step sees, in which order: a pure function of (seed, stage, place).

use biqa::random::stream;

use super::super::recipe::crops::{MOST_TURNS, Train};

/// How a run is cut into epochs and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Photos to train on.
    photos: usize,
    /// Photos of a step.
    batch: usize,
    /// How often a list holds every photo.
    passes: u64,
    /// Whether a list is passes one after the other, each shuffled for itself, and not all of them
    /// shuffled together: crops that are compared should be of different photos.
    apart: bool,
    /// What becomes of the photos of a list behind its last whole batch.
    rest: Rest,
    /// Steps of an epoch.
    pub per_epoch: u64,
    /// Steps of a stage.
    pub total: u64,
}

/// What becomes of the photos of a list behind its last whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// They are left out, as most of the papers' code does.
    Dropped,
    /// They are a batch of their own.
    Kept,
    /// The next list goes on within the batch.
    Joined,
}

/// A photo's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Its index.
    pub photo: usize,
    /// How many turns it had before: keys the crops.
    pub round: u64,
}

impl Plan {
    /// The plan of a stage over `photos` photos, `group` crops each time.
    pub fn new(train: &Train, photos: usize, group: usize) -> Result<Self, String> {
        let Train { batch, epochs, passes, budget, .. } = *train;
        let (rest, passes, per_epoch) = match (passes, budget) {
            (Some(passes), _) if train.drop_last => {
                (Rest::Dropped, passes, photos as u64 * passes / batch as u64)
            }
            (Some(passes), _) => {
                (Rest::Kept, passes, (photos as u64 * passes).div_ceil(batch as u64))
            }
            (None, budget) => {
                (Rest::Joined, 1, budget.unwrap_or(0) / (epochs * (batch * group) as u64))
            }
        };
        if photos as u64 * passes > MOST_TURNS {
            return Err(format!(
                "{photos} photos in {passes} passes are too many for one list: lower train.passes \
                 and raise train.epochs"
            ));
        }
        if per_epoch == 0 {
            return Err(format!(
                "an epoch has fewer crops than a step ({batch} photos of {group}); there are \
                 {photos} photos to train on: lower train.batch, or raise train.passes or \
                 train.budget"
            ));
        }
        let (apart, total) = (group > 1, per_epoch * epochs);
        Ok(Self { photos, batch, passes, apart, rest, per_epoch, total })
    }

    /// Photos of a step.
    pub fn photos_of(&self, step: u64) -> usize {
        (self.begins(step + 1) - self.begins(step)) as usize
    }

    /// Photos of the smallest step.
    pub fn fewest(&self) -> usize {
        self.photos_of(self.per_epoch - 1)
    }

    /// Turns before a step.
    fn begins(&self, step: u64) -> u64 {
        match self.rest {
            Rest::Kept => {
                let within = step % self.per_epoch * self.batch as u64;
                step / self.per_epoch * self.used() + within
            }
            Rest::Dropped | Rest::Joined => step * self.batch as u64,
        }
    }

    /// The turns of a stage from a step on.
    pub fn from(self, step: u64, seed: u64, stage: usize) -> Order {
        let (next, end) = (self.begins(step), self.begins(self.total));
        Order { plan: self, seed, stage, next, end, shuffled: None }
    }

    /// Turns taken from one shuffled list.
    fn used(&self) -> u64 {
        match self.rest {
            Rest::Dropped => self.per_epoch * self.batch as u64,
            Rest::Kept | Rest::Joined => self.photos as u64 * self.passes,
        }
    }
}

/// The turns, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Order {
    plan: Plan,
    seed: u64,
    stage: usize,
    next: u64,
    end: u64,
    /// The list at hand and its number.
    shuffled: Option<(u64, Vec<usize>)>,
}

impl Iterator for Order {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        if self.next == self.end {
            return None;
        }
        let Plan { photos, passes, apart, .. } = self.plan;
        let (mut list, mut place) = (self.next / self.plan.used(), self.next % self.plan.used());
        let mut together = passes;
        if apart {
            list = list * passes + place / photos as u64;
            place %= photos as u64;
            together = 1;
        }
        self.next += 1;
        if self.shuffled.as_ref().is_none_or(|(number, _)| *number != list) {
            let mut draws = stream(self.seed, "crops/order", ((self.stage as u64) << 48) | list);
            self.shuffled = Some((list, draws.permutation(photos * together as usize)));
        }
        let (_, shuffled) = self.shuffled.as_ref()?;
        let entry = shuffled[place as usize] as u64;
        let round = list * together + entry % together;
        Some(Turn { photo: (entry / together) as usize, round })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::recipe::Recipe;

    fn train(keys: &str) -> Train {
        toml::from_str(&format!("{keys}\n[schedule]")).expect("a run")
    }

    #[test]
    fn an_epoch_of_passes_shows_every_photo_so_often_with_crops_of_its_own() {
        // papers/deiqt.md, section 12, check 12.
        let plan = Plan::new(&train("batch = 5\nepochs = 2\npasses = 10"), 7, 1).expect("a plan");
        assert_eq!((plan.per_epoch, plan.total), (14, 28));
        let turns: Vec<Turn> = plan.from(0, 3, 0).collect();
        for (epoch, turns) in turns.chunks(70).enumerate() {
            for photo in 0..7 {
                let own = turns.iter().filter(|t| t.photo == photo);
                let mut rounds: Vec<u64> = own.map(|t| t.round).collect();
                rounds.sort_unstable();
                let first = 10 * epoch as u64;
                assert_eq!(rounds, (first..first + 10).collect::<Vec<_>>());
            }
        }
    }

    /// papers/lml-iqa.md, section 9: every image once, repeated.
    #[test]
    fn passes_of_several_crops_a_photo_come_one_after_the_other() {
        let plan = Plan::new(&train("batch = 4\nepochs = 2\npasses = 3"), 8, 2).expect("a plan");
        let turns: Vec<Turn> = plan.from(0, 3, 0).collect();
        assert_eq!(turns.len(), 48);
        for (pass, turns) in turns.chunks(8).enumerate() {
            let mut photos: Vec<usize> = turns.iter().map(|t| t.photo).collect();
            photos.sort_unstable();
            assert_eq!(photos, (0..8).collect::<Vec<_>>());
            assert!(turns.iter().all(|t| t.round == pass as u64));
        }
        assert_ne!(turns[..8], turns[8..16]);
        assert_eq!(plan.from(5, 3, 0).collect::<Vec<_>>(), turns[20..]);
    }

    #[test]
    fn the_last_batch_that_is_not_whole_is_dropped() {
        let plan = Plan::new(&train("batch = 4\nepochs = 3\npasses = 1"), 10, 1).expect("a plan");
        assert_eq!((plan.per_epoch, plan.total), (2, 6));
        assert_eq!(plan.from(0, 0, 0).count(), 24);
    }

    /// papers/glintiqa.md, 4.4: 30 steps an epoch of LIVEC's 930 photos.
    #[test]
    fn the_last_batch_that_is_not_whole_may_be_kept() {
        let keys = "batch = 4\nepochs = 3\npasses = 1\ndrop_last = false";
        let plan = Plan::new(&train(keys), 10, 1).expect("a plan");
        assert_eq!((plan.per_epoch, plan.total, plan.fewest()), (3, 9, 2));
        assert_eq!((0..6).map(|i| plan.photos_of(i)).collect::<Vec<_>>(), [4, 4, 2, 4, 4, 2]);
        let turns: Vec<Turn> = plan.from(0, 0, 0).collect();
        assert_eq!(turns.len(), 30);
        for (epoch, turns) in turns.chunks(10).enumerate() {
            let mut photos: Vec<usize> = turns.iter().map(|t| t.photo).collect();
            photos.sort_unstable();
            assert_eq!(photos, (0..10).collect::<Vec<_>>());
            assert!(turns.iter().all(|t| t.round == epoch as u64));
        }
        let livec = train("batch = 32\nepochs = 300\npasses = 1\ndrop_last = false");
        let livec = Plan::new(&livec, 930, 1).expect("a plan");
        assert_eq!((livec.per_epoch, livec.fewest()), (30, 2));
        assert_eq!(Plan::new(&train(keys), 12, 1).expect("a plan").fewest(), 4);
    }

    #[test]
    fn a_budget_counts_the_crops_of_the_run() {
        let plan = Plan::new(&train("batch = 4\nepochs = 3\nbudget = 960"), 10, 4).expect("a plan");
        assert_eq!((plan.per_epoch, plan.total), (20, 60));
        let turns: Vec<Turn> = plan.from(0, 0, 0).collect();
        assert_eq!(turns.len(), 240);
        for (round, turns) in turns.chunks(10).enumerate() {
            let mut photos: Vec<usize> = turns.iter().map(|t| t.photo).collect();
            photos.sort_unstable();
            assert_eq!(photos, (0..10).collect::<Vec<_>>());
            assert!(turns.iter().all(|t| t.round == round as u64));
        }
    }

    #[test]
    fn a_stage_goes_on_anywhere_as_it_would_have() {
        for keys in ["passes = 2", "budget = 97", "passes = 2\ndrop_last = false"] {
            let plan = Plan::new(&train(&format!("batch = 3\nepochs = 4\n{keys}")), 8, 1);
            let plan = plan.expect("a plan");
            let whole: Vec<Turn> = plan.from(0, 5, 1).collect();
            for step in 0..=plan.total {
                let rest: Vec<Turn> = plan.from(step, 5, 1).collect();
                assert_eq!(rest, whole[plan.begins(step) as usize..], "{keys}: step {step}");
            }
        }
    }

    #[test]
    fn fewer_crops_than_a_batch_are_refused() {
        let error = Plan::new(&train("batch = 16\nepochs = 1\npasses = 1"), 9, 1).expect_err("few");
        assert!(error.contains("16 photos of 1") && error.contains("there are 9"), "{error}");
    }

    /// papers/deiqt.md, section 10: steps an epoch, from the photos of section 6's training parts.
    #[test]
    fn the_recipes_of_deiqt_have_the_steps_of_the_specification() {
        for (group, photos, steps) in [
            ("synthetic-middle", 2400, 125),
            ("synthetic-large", 8125, 158),
            ("authentic-small", 930, 145),
            ("authentic-large", 8058, 157),
            ("authentic-large", 8900, 173),
            ("authentic-large", 31_848, 622),
        ] {
            let path = format!("../../recipes/deiqt-{group}.toml");
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            let Ok(Recipe::Crops(recipe)) = Recipe::read(&path) else {
                panic!("{group} is no recipe");
            };
            let plan = Plan::new(&recipe.train, photos, 1).expect("a plan");
            assert_eq!((plan.per_epoch, plan.total), (steps, 9 * steps), "{group}");
        }
    }
}
