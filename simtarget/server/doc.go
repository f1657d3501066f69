// Package server puts several simulated arrays on TCP in one process: what `iscsispec serve` does.
//
// A Config, read from YAML or made from flags, names the arrays: a shipped profile or a file, what is to be different about it, where it
// listens, and where its CHAP secrets come from. New makes the arrays, Start opens their portals, and Shutdown ends them in order.
//
// A Server can show itself on a loopback port: a page for people, status.json for programs (Status is its documented form), and
// POST /control, which carries out the Actions of package simtarget.
//
// # First use
//
//	config, err := server.LoadConfig("serve.yaml")
//	s, err := server.New(config, server.Options{})
//	err = s.Start()
//	err = s.ServeStatus("127.0.0.1:0")
//	fmt.Println(s.Units(), s.StatusURL())
//	...
//	cut, err := s.Shutdown(ctx, config.Grace)
package server
