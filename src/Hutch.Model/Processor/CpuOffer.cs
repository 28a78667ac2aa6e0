using System;
using System.Text.Json;

namespace Hutch.Model.Processor;

/// <summary>What an engine can give guests on this host.</summary>
/// <param name="Engine">Name of the engine.</param>
/// <param name="Identity">The host's CPU, for models that have no identity of their own.</param>
/// <param name="Features">Everything it can give.</param>
/// <param name="Unasked">Those that <c>max</c> and <c>host</c> have: the others must be asked for, by name or with a model.</param>
public sealed record CpuOffer(string Engine, CpuIdentity Identity, FeatureSet Features, FeatureSet Unasked)
{
    /// <summary>Writes the offer as a JSON object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("engine", Engine);
        Identity.WriteMembers(json);
        json.WriteFeatures("features", Features);
        json.WriteFeatures("unasked", Unasked);
        json.WriteEndObject();
    }

    /// <summary>Reads what <see cref="Write"/> wrote. Throws <see cref="FormatException"/>.</summary>
    public static CpuOffer Read(JsonElement json)
    {
        try
        {
            return new CpuOffer(json.GetProperty("engine").GetString()!, CpuJson.ReadIdentity(json), CpuJson.ReadFeatures(json, "features"), CpuJson.ReadFeatures(json, "unasked"));
        }
        catch (Exception e) when (e is InvalidOperationException or System.Collections.Generic.KeyNotFoundException)
        {
            throw new FormatException("The description of the engine's CPU is not as expected.", e);
        }
    }
}
