package client

import (
	"strings"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cacheSize is how many user agents a Cache keeps: with their text less than
// half a megabyte as a rule, and a megabyte and a half at most.
const cacheSize = 1024

// Cache remembers the user agents that came last: most mail is read with few. It
// is not safe for concurrent use.
type Cache struct {
	lru *simplelru.LRU[string, Client]
}

// NewCache returns an empty cache.
func NewCache() *Cache {
	lru, err := simplelru.NewLRU[string, Client](cacheSize, nil)
	if err != nil {
		panic(err) // a size that is not positive
	}
	return &Cache{lru}
}

// Parse returns what the function Parse does.
func (c *Cache) Parse(agent string) Client {
	if found, ok := c.lru.Get(agent); ok {
		return found
	}
	parsed := Parse(agent)
	if len(agent) <= maxAgent {
		c.lru.Add(strings.Clone(agent), parsed) // it may be a part of a large body
	}
	return parsed
}
