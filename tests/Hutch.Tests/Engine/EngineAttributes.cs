using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using Xunit.Sdk;

namespace Hutch.Tests.Engine;

/// <summary>Runs a theory on an engine.</summary>
public abstract class EngineAttribute : DataAttribute
{
    /// <summary>Files that the test reads, with colons between them; skipped where one is missing.</summary>
    public string Needs
    {
        get => "";
        set => Skip ??= value.Split(':').FirstOrDefault(file => !File.Exists(file)) is string missing ? $"There is no {missing} on this host." : null!;
    }
}

/// <summary>Runs a theory on the software engine in both of its forms: its argument is the engine's name.</summary>
public sealed class SoftwareAttribute : EngineAttribute
{
    /// <inheritdoc/>
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Engines.Software], [Engines.SoftwareBySystemCall]];
}

/// <summary>Runs a theory on KVM; skipped, with the reason, on a host without it.</summary>
public sealed class KvmAttribute : EngineAttribute
{
    /// <summary>Looks for KVM.</summary>
    public KvmAttribute() => Skip = Engines.WhyNoKvm!;

    /// <summary>Looks for KVM with a capability (KvmCap).</summary>
    public KvmAttribute(string capability) => Skip = Engines.WhyNoKvm ?? Engines.WhyNo(capability)!;

    /// <inheritdoc/>
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Engines.Kvm]];
}
