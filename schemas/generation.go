package schemas

import (
	"strconv"
	"strings"
)

// Generation numbers a derivation from posthorn.webhooks. Everything derived has
// topics, consumer groups, state and tables of its own in each generation, so
// that one can be made beside another. The zero value stands for the first,
// whose names carry no number.
type Generation int

// FirstGeneration is what a new installation derives.
const FirstGeneration Generation = 1

// notDerived are the topics that all generations share: what came in, what went
// out, which generation is the live one,
// and what people and gateways say.
var notDerived = map[string]bool{
	TopicWebhooks: true, TopicDeliveries: true, TopicDeadLetters: true, TopicGenerations: true,
	TopicControls: true, TopicGateways: true,
}

// Name is the name that a stage has in the generation.
func (g Generation) Name(name string) string { return g.suffixed(name, ".") }

// Topic is the name that a topic has in the generation.
func (g Generation) Topic(name string) string {
	if notDerived[name] {
		return name
	}
	return g.Name(name)
}

// Table is the name that a ClickHouse table has in the generation.
func (g Generation) Table(name string) string { return g.suffixed(name, "_") }

func (g Generation) suffixed(name, separator string) string {
	if g <= FirstGeneration {
		return name
	}
	return name + separator + strconv.Itoa(int(g))
}

// SplitTopic splits the name of a topic into the one in the catalogue and its
// generation. A topic that all generations share is of the first.
func SplitTopic(topic string) (name string, g Generation) {
	if i := strings.LastIndexByte(topic, '.'); i >= 0 {
		if n, err := strconv.Atoi(topic[i+1:]); err == nil && n > int(FirstGeneration) {
			return topic[:i], Generation(n)
		}
	}
	return topic, FirstGeneration
}
