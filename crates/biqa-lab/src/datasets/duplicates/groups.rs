//! Groups that grow together: union-find with the lowest member as the name of a group.

/// Which group everything is in.
#[derive(Debug)]
pub(super) struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    /// `n` things, each by itself.
    pub(super) fn new(n: usize) -> Groups {
        Groups { parent: (0..n).collect() }
    }

    /// The lowest member of the group of `i`.
    pub(super) fn first(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }

    /// Makes one group of two.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_become_one_group_named_by_its_lowest_member() {
        let mut groups = Groups::new(6);
        for (a, b) in [(5, 3), (1, 2), (3, 1), (2, 5)] {
            groups.join(a, b);
        }
        let first: Vec<usize> = (0..6).map(|i| groups.first(i)).collect();
        assert_eq!(first, [0, 1, 1, 1, 4, 1]);
    }
}
