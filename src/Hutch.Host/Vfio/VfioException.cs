using System;

namespace Hutch.Host.Vfio;

/// <summary>A device of the host cannot be passed through. The message is whole sentences for the operator: what, why, and the mend.</summary>
public sealed class VfioException(string message) : Exception(message);
