using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Tests that count what all threads of the process do: none of another class runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    internal const string Name = "alone";
}
