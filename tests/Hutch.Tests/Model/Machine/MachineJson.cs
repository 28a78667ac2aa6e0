using System.Text.Json.Serialization;
using Hutch.Model.Machine;

namespace Hutch.Tests.Model.Machine;

/// <summary>The serializer's view of a definition: it leaves no property out, and so tells whether reader and writer do.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(MachineDefinition))]
internal sealed partial class MachineJson : JsonSerializerContext;
