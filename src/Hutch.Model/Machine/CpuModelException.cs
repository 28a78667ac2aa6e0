using System;

namespace Hutch.Model.Machine;

/// <summary>A CPU model that does not exist or that this host cannot give. The message is one sentence for the user.</summary>
public sealed class CpuModelException(string message) : Exception(message);
