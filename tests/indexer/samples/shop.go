// Package shop keeps orders.
package shop

import (
	"fmt"
	depot "example.org/store"
)

import . "math"

const Limit = 10

var Default = New("main")

// Shop keeps the orders.
type Shop struct {
	Named
	store *depot.Store
	size  int
}

type Finder interface {
	Find(id string) (*Order, error)
}

type ID = string

// New makes a shop.
func New(name string) *Shop {
	s := depot.Open(name)
	return &Shop{store: s}
}

// Find looks an order up.
func (s *Shop) Find(id string) (*Order, error) {
	var order Order
	fmt.Println("find (x)", id)
	return s.store.Get(id, &order), nil
}
