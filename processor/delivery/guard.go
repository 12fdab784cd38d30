package delivery

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/posthorn/posthorn/internal/publicnet"
)

// guard is publicnet.Control with the remedy in its errors.
func guard(allowPrivate bool) func(network, address string, c syscall.RawConn) error {
	control := publicnet.Control(allowPrivate)
	return func(network, address string, c syscall.RawConn) error {
		err := control(network, address, c)
		if errors.Is(err, publicnet.ErrNotPublic) {
			return fmt.Errorf("%w; set allow_private on the endpoint if it is in your own network", err)
		}
		return err
	}
}
