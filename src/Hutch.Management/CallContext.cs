using System.Threading;

namespace Hutch.Management;

/// <summary>On whose behalf a driver works.</summary>
/// <param name="User">Id of the user who asks.</param>
/// <param name="Cancellation">Fires when nobody waits for the answer any more.</param>
public readonly record struct CallContext(uint User, CancellationToken Cancellation);
