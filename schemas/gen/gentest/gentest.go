// Package gentest holds a record with every kind of field, to test what
// schemas/gen writes for packages other than schemas.
package gentest

//go:generate go run github.com/posthorn/posthorn/schemas/gen -package gentest -dir . -contract ../.. -out kitchen_gen.go
