package main

import (
	"context"
	"math/rand/v2"
	"slices"
)

// turns is the runner of all scenarios: it measures each side once in each of so many turns, in an order that differs,
// so that what else the machine does meets all of them. It returns the figures by side and turn.
func (b *bench) turns(ctx context.Context, what string, turns, sides int, measure func(side int) (float64, error)) ([][]float64, error) {
	found := make([][]float64, sides)
	for round := range turns {
		for _, i := range order(sides, round) {
			v, err := measure(i)
			if err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			found[i] = append(found[i], v)
		}
		b.progress("%s, turn %d of %d", what, round+1, turns)
	}
	return found, nil
}

// order returns the order of a round: each second one is the one before it turned around, so that the
// first is the last, and the others are random, but the same in every run.
func order(sides, round int) []int {
	all := rand.New(rand.NewPCG(1, uint64(round/2))).Perm(sides)
	if round%2 == 1 {
		slices.Reverse(all)
	}
	return all
}
