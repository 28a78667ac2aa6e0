using System.Threading;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>One call as a procedure sees it.</summary>
/// <param name="Client">Who calls.</param>
/// <param name="Cancellation">Fires when the caller is gone.</param>
internal readonly record struct Call(Client Client, CancellationToken Cancellation);
