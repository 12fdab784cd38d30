package gentest

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
	"github.com/posthorn/posthorn/schemas/avrotest"
)

func TestKitchen(t *testing.T) {
	avrotest.Check(t, func() avrotest.Record { return new(Kitchen) })
}

func FuzzKitchen(f *testing.F) {
	avrotest.Fuzz(f, func() avrotest.Record { return new(Kitchen) }, &Kitchen{
		Kind: schemas.EventTypeClicked, Grid: [][]int32{{1, 2}, nil, {3}}, NullBig: schemas.Int64Of(0),
		NullRecord: &Shelf{Label: "spices", Jars: []Jar{{Weight: 0.5, Notes: map[string]string{"a": "b"}}}},
		Lists:      map[string][]string{"x": {"y", "z"}, "": nil},
	})
}
