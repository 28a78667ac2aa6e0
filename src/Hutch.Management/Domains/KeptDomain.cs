using System.Text.Json.Serialization;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>What is kept of a domain from which it can be started.</summary>
/// <param name="Definition">Its definition.</param>
/// <param name="Autostart">It is started with the daemon.</param>
public sealed record KeptDomain(DomainDefinition Definition, bool Autostart);

/// <summary>What is kept of a domain that runs for as long as the host does, so that a daemon that starts later knows it again.</summary>
/// <param name="Definition">Its definition as it runs.</param>
/// <param name="Machine">The name of its machine.</param>
/// <param name="Process">The machine's process.</param>
public sealed record RunningDomain(DomainDefinition Definition, string Machine, int Process);

/// <summary>Both as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KeptDomain))]
[JsonSerializable(typeof(RunningDomain))]
public sealed partial class KeptDomainJson : JsonSerializerContext;
