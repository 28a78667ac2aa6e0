using System;
using System.Collections.Generic;
using System.Text.Json;
using Hutch.Cli.Launch;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Cli.Processor;

/// <summary>What the engines can give guests on this host. They say it themselves: <c>hutch-vmm --cpu-offers</c>.</summary>
internal static class EngineOffers
{
    /// <summary>The offers of the engines that work here, software first. Throws <see cref="UserException"/>.</summary>
    internal static IReadOnlyList<CpuOffer> Ask()
    {
        string answer = VmmProcess.Ask("--cpu-offers", out string reason)
            ?? throw new UserException($"The VM program could not say what CPUs it gives: {reason}; start hutch through the launcher ./hutch, which builds both.", ExitStatus.BadConfiguration);
        return Read(answer);
    }

    /// <summary>Reads the VM program's answer. Throws <see cref="UserException"/>.</summary>
    internal static IReadOnlyList<CpuOffer> Read(string answer)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(answer);
            List<CpuOffer> offers = [];
            foreach (JsonElement offer in json.RootElement.EnumerateArray()) offers.Add(CpuOffer.Read(offer));
            return offers.Count != 0 ? offers : throw new FormatException("it names no engine");
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            throw new UserException($"The VM program's answer is not understood ({e.Message.TrimEnd('.')}); build both programs again with ./hutch.", ExitStatus.InternalError);
        }
    }
}
