// Package check holds the manifests for Kubernetes and Compose to the types that these read them by. It is a module of
// its own, so that the server does not carry those.
package check
