package inventory_test

import (
	"errors"
	"fmt"

	"github.com/keep-it-simple/kis/inventory"
)

func Example() {
	inv, err := inventory.Parse("inventory.yaml", []byte(`
ssh: {user: deploy}
hosts:
  web1: {address: 192.0.2.11}
stages:
  production: {hosts: ["web[1:3]"]}
`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	hosts, err := inv.Select("production", "web*,!web3")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range hosts {
		fmt.Printf("%s %q %s %s\n", h.Name, h.Address, h.SSH.User, h.Root)
	}
	// Output:
	// web1 "192.0.2.11" deploy /var/webcode
	// web2 "" deploy /var/webcode
}

func ExampleErrors() {
	_, err := inventory.Parse("inventory.yaml", []byte("rot: /srv/code\nstages:\n  production: {hosts: [no]}\n"), nil)
	fmt.Println(err)
	if all, ok := errors.AsType[inventory.Errors](err); ok {
		fmt.Println("first in line", all[0].Line)
	}
	// Output:
	// inventory.yaml:1:1: unknown key "rot"; did you mean "root"? known: root, python, become, build, install, keep, shared, prepare, verify, ssh, ansible, dynamic, hosts, groups, stages, webhook
	//   rot: /srv/code
	//   ^
	// inventory.yaml:3:24: stages.production.hosts: want text, got true or false; put quotes around it: "no"
	//     production: {hosts: [no]}
	//                          ^
	// first in line 1
}
